"""The registry of datasets, parts and mixtures; nothing is built here."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import functools
import importlib
import importlib.metadata

from flan_jax.definitions.dataset import (
  Dataset,
  DatasetError,
  Part,
  Template,
)
from flan_jax.errors import UserError, nearest
from flan_jax.runtime import user_modules

ENTRY_POINT_GROUP = 'flan_jax.tasks'

_DATASETS: dict[str, Dataset] = {}
_MIXTURES: dict[str, 'Mixture'] = {}


class UnknownNameError(UserError):
  """A name that is not registered; suggests the nearest."""


@dataclasses.dataclass(frozen=True)
class Member:
  """One part in a declared mixture.

  Attributes:
    part: Name of a dataset's part.
    templates: Indices of the templates used; None for all that apply.
    shots: Most exemplars before each example.
  """

  part: str
  templates: tuple[int, ...] | None = None
  shots: int = 0


@dataclasses.dataclass(frozen=True)
class Mixture:
  """A declared mixture: what trains together, or is evaluated together.

  Attributes:
    name: Such as `flan_holdout_nli`.
    members: The parts.
    purpose: `train` or `eval`.
    held_out: Cluster that the mixture keeps unseen (or evaluates), for the
      record; None if it holds nothing out.
    excluded: Other clusters that may not be trained on when `held_out` is
      evaluated.
    note: How the mixture differs from the paper's, or that it is our own.
  """

  name: str
  members: tuple[Member, ...]
  purpose: str = 'train'
  held_out: str | None = None
  excluded: tuple[str, ...] = ()
  note: str = ''


def register(dataset: Dataset) -> Dataset:
  """Registers a dataset and returns it.

  Raises:
    DatasetError: its name, or the name of one of its parts, is taken.
  """
  taken = set(parts())
  for name in {dataset.name, *(p.name for p in dataset.resolve_parts())}:
    if name in _DATASETS or name in taken or name in _MIXTURES:
      raise DatasetError(
        f'dataset {dataset.name}: {name!r} is registered already; choose '
        'another name'
      )
  _DATASETS[dataset.name] = dataset
  parts.cache_clear()
  return dataset


def register_mixture(mixture: Mixture) -> Mixture:
  """Registers a mixture and returns it.

  Raises:
    ValueError: its name is taken, or its purpose is unknown.
  """
  if mixture.name in _MIXTURES or mixture.name in _DATASETS:
    raise ValueError(f'{mixture.name!r} is registered already')
  if mixture.purpose not in ('train', 'eval'):
    raise ValueError(f'mixture {mixture.name}: purpose is train or eval')
  _MIXTURES[mixture.name] = mixture
  return mixture


def load(task_modules: Iterable[str] = ()) -> None:
  """Imports this project's tasks and mixtures, then those of the user.

  A user's datasets come from the modules named here and from entry points in
  the group `flan_jax.tasks`. A gin file may import more.

  Raises:
    ConfigError: A module of the user cannot be imported.
  """
  importlib.import_module('flan_jax.tasks')
  importlib.import_module('flan_jax.mixtures')
  _load_entry_points()
  for module in task_modules:
    user_modules.load(module, '--task_module')


@functools.cache  # The search reads a file of every installed package.
def _load_entry_points() -> None:
  for entry in importlib.metadata.entry_points(group=ENTRY_POINT_GROUP):
    entry.load()


def replace_templates(
  templates: Mapping[str, Sequence[Template]], digest: str
) -> None:
  """Replaces the templates of datasets or parts by those of a template set.

  The name of a dataset stands for all its parts that declare no templates of
  their own.

  Args:
    templates: Name -> its templates.
    digest: Hash of the set.

  Raises:
    DatasetError: a template does not fit; nothing is replaced.
    UnknownNameError: no such dataset or part; nothing is replaced.
    ValueError: a set is in force already.
  """
  if template_set() is not None:
    raise ValueError('a template set is in force already')
  changed: dict[str, Dataset] = {}
  # Parts first: their templates take precedence over their dataset's.
  for name in sorted(templates, key=lambda name: name in _DATASETS):
    owner = name if name in _DATASETS else find_part(name)[0].name
    changed[owner] = _with_templates(
      changed.get(owner, _DATASETS[owner]),
      name,
      {'templates': tuple(templates[name]), 'template_set': digest},
    )
  _DATASETS.update(changed)
  parts.cache_clear()


def kept_datasets() -> dict[str, Dataset]:
  """Returns the datasets as they are now, for `restore`."""
  return dict(_DATASETS)


def restore(datasets: Mapping[str, Dataset]) -> None:
  """Undoes the replacement of templates since `kept_datasets`."""
  _DATASETS.update(datasets)
  parts.cache_clear()


def _with_templates(dataset: Dataset, name: str, replaced: dict) -> Dataset:
  if not dataset.parts:
    return dataclasses.replace(dataset, **replaced)
  parts = list(dataset.parts)
  for i, part in enumerate(parts):
    own = 'templates' in part.overrides
    if not own if name == dataset.name else part.name == name:
      parts[i] = Part(part.name, **{**part.overrides, **replaced})
  return dataclasses.replace(dataset, parts=tuple(parts))


def template_set() -> str | None:
  """Returns the hash of the template set in force, or None."""
  hashes = (part.template_set for _, part in parts().values())
  return next((found for found in hashes if found is not None), None)


def datasets() -> tuple[Dataset, ...]:
  """Returns every dataset, in order of registration."""
  return tuple(_DATASETS.values())


def find_dataset(name: str) -> Dataset | None:
  """Returns the dataset registered under exactly this name, or None."""
  return _DATASETS.get(name)


def find_mixture(name: str) -> Mixture | None:
  """Returns the mixture registered under exactly this name, or None."""
  return _MIXTURES.get(name)


def mixtures() -> tuple[Mixture, ...]:
  """Returns every mixture, in order of registration."""
  return tuple(_MIXTURES.values())


@functools.cache
def parts() -> dict[str, tuple[Dataset, Dataset]]:
  """Returns part name -> (the dataset it belongs to, the part resolved)."""
  return {
    part.name: (dataset, part)
    for dataset in _DATASETS.values()
    for part in dataset.resolve_parts()
  }


def find_part(name: str) -> tuple[Dataset, Dataset]:
  """Returns (dataset, resolved part) for `part` or `dataset:part`.

  Raises:
    UnknownNameError: no such part; suggests the three nearest.
  """
  dataset_name, _, part_name = name.rpartition(':')
  found = parts().get(part_name)
  if found is None or (dataset_name and found[0].name != dataset_name):
    raise UnknownNameError(f'unknown task {name!r}{nearest_name(name)}')
  return found


def nearest_name(name: str) -> str:
  """Returns '; nearest: …' with registered names like `name`, or ''."""
  return nearest(name, {*parts(), *_DATASETS, *_MIXTURES})
