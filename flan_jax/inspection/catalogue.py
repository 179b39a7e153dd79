"""What is registered, and what of it is prepared here (no TensorFlow).

Descriptions are plain JSON types: the commands print them as they are, or as
text.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
import shlex
from typing import Any

from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.mixture_plan import MIXING_CAP
from flan_jax.rendering import splits
from flan_jax.sources.copies import default_data_dir, find_copy

PREPARED, DOWNLOAD, MANUAL = 'prepared', 'to download', 'manual'
STATES = (PREPARED, DOWNLOAD, MANUAL)

# Where a number of rows comes from. An estimate is the share of a split of
# the copy that several splits divide among them, by a hash that only reading
# the rows would tell.
COPY, ESTIMATE, RECORDED = 'copy', 'estimate', 'recorded'

_INFO = 'dataset_info.json'

# The cluster of datasets that are registered beside the paper's.
EXTRAS = 'extras'


@dataclasses.dataclass(frozen=True)
class Rows:
  """Rows of one split of a part, before filters.

  Attributes:
    count: How many.
    origin: `COPY`, `ESTIMATE` or `RECORDED`.
  """

  count: int
  origin: str


def data_root(data_dir: str | None) -> pathlib.Path:
  """Returns the TFDS data directory, TFDS's own where None."""
  return pathlib.Path(data_dir or default_data_dir()).expanduser()


def manual_folder(data_dir: str | None) -> pathlib.Path:
  """Returns where TFDS expects the files that are fetched by hand."""
  return data_root(data_dir) / 'downloads' / 'manual'


def split_sizes(folder: pathlib.Path) -> dict[str, int]:
  """Returns TFDS split -> rows of a prepared copy."""
  info = json.loads((folder / _INFO).read_text(encoding='utf-8'))
  return {
    split['name']: sum(map(int, split.get('shardLengths', ())))
    for split in info.get('splits', ())
  }


def status_of(part: Dataset, data_dir: str | None) -> str:
  """Returns which of `STATES` a resolved part is in."""
  if find_copy(part.source, data_dir):
    return PREPARED
  return MANUAL if part.manual else DOWNLOAD


def rows_of(part: str, split: str, data_dir: str | None) -> Rows | None:
  """Returns how many rows a split of a part has, None where it has no such.

  Args:
    part: Name of a part.
    split: One of `dataset.SPLITS`.
    data_dir: TFDS data directory; None for TFDS's default.
  """
  dataset, resolved = registry.find_part(part)
  if split not in resolved.splits:
    return None
  folder = find_copy(resolved.source, data_dir)
  if folder is None:
    return Rows(resolved.rows.get(split, 0), RECORDED)
  family = [p for p in dataset.resolve_parts() if p.source == resolved.source]
  try:
    found = splits.resolve(family, split_sizes(folder))[resolved.name, split]
  except splits.MissingDataError:
    return Rows(0, COPY)
  size = found.stop - found.start
  if not found.splits:
    return Rows(size, COPY)
  # Every row counts as a group of its own.
  low, high = splits.divide(range(size), found.splits)[split]
  share = min(high, size) - low
  return Rows(min(share, found.limit or share), ESTIMATE)


def task_names(name: str) -> tuple[str, ...]:
  """Returns the tasks that a task's or a whole dataset's name stands for."""
  base, dot, suffixes = name.partition('.')
  for dataset in registry.datasets():
    if dataset.name == base and base not in registry.parts():
      parts = dataset.resolve_parts()
      return tuple(part.name + dot + suffixes for part in parts)
  return (name,)


def parts_of(name: str) -> tuple[Dataset, ...]:
  """Returns the parts that a mixture, a dataset or a task reads.

  Raises:
    UnknownNameError: unknown name, with the three nearest.
  """
  mixture = names.find_mixture(name)
  if mixture is not None:
    return tuple(registry.find_part(m.part)[1] for m in mixture.members)
  return tuple(names.parse_task(task).part for task in task_names(name))


def prepare_command(name: str, data_dir: str | None) -> str:
  """Returns the command that downloads a dataset."""
  flag = f' --data_dir={shlex.quote(data_dir)}' if data_dir else ''
  return f'flan-jax prepare {name}{flag}'


def describe_registry(data_dir: str | None) -> dict[str, Any]:
  """Describes every dataset and names every mixture.

  Args:
    data_dir: TFDS data directory; None for TFDS's default.

  Returns:
    {'data_dir', 'command': what prepares NAME, 'datasets': see
    `_describe_dataset`, 'extras': those in no mixture of the paper's kind,
    'mixtures': names}.
  """
  described = [_describe_dataset(d, data_dir) for d in registry.datasets()]
  return {
    'data_dir': str(data_root(data_dir)),
    'command': prepare_command('NAME', data_dir),
    'datasets': [d for d in described if d['cluster'] != EXTRAS],
    'extras': [d for d in described if d['cluster'] == EXTRAS],
    'mixtures': [mixture.name for mixture in registry.mixtures()],
  }


def _describe_dataset(dataset: Dataset, data_dir: str | None) -> dict[str, Any]:
  """Describes a dataset; what its parts do not share is a list over them.

  `train_rows` are the recorded ones, `prepared_train_rows` those of the copies
  that are here. `choices` is None where answers are free text or a row's own
  choices.
  """
  parts = dataset.resolve_parts()
  states = [status_of(part, data_dir) for part in parts]
  # What is still to be done for any part is to be done for the dataset.
  status = max(states, key=STATES.index)
  training = [part for part in parts if part.trains]
  here = [rows_of(part.name, 'train', data_dir) for part in training]
  return {
    'name': dataset.name,
    'cluster': dataset.cluster,
    'parts': [part.name for part in parts],
    'tfds': _shared([part.source for part in parts]),
    'templates': _shared([len(part.templates) for part in parts]),
    'inverted': _shared([_inverted(part.templates) for part in parts]),
    'choices': _shared([_plain(part.choices) for part in parts]),
    'metrics': _shared([list(part.metrics) for part in parts]),
    'train_rows': sum(part.rows.get('train', 0) for part in training),
    'prepared_train_rows': sum(r.count for r in here if r.origin != RECORDED),
    'status': status,
    'part_status': states,
    'command': None
    if status == PREPARED
    else prepare_command(dataset.name, data_dir),
    'manual': dataset.manual,
  }


def _inverted(templates: Sequence[Template]) -> int:
  return sum(template.inverted for template in templates)


def _plain(choices: Mapping[str, str] | None) -> dict[str, str] | None:
  return None if choices is None else dict(choices)


def _shared(values: list) -> Any:
  """Returns the value that all parts have, else the list of them."""
  return values[0] if all(v == values[0] for v in values) else values


def describe_mixture(
  mixture: registry.Mixture, data_dir: str | None
) -> dict[str, Any]:
  """Describes who is in a mixture, how often, and who is kept out.

  Args:
    mixture: From `names.find_mixture`.
    data_dir: TFDS data directory; None for TFDS's default.

  Returns:
    A training mixture's members have training rows and a rate, the draws of a
    mixture epoch; those of an evaluation have test rows and no rate. `share`
    is in percent.
  """
  trains = mixture.purpose == 'train'
  split = 'train' if trains else 'test'
  members = [_describe_member(m, split, data_dir) for m in mixture.members]
  total = sum(member['rate'] or 0 for member in members)
  for member in members:
    member['share'] = 100 * member['rate'] / total if total else None
  return {
    'mixture': mixture.name,
    'purpose': mixture.purpose,
    'held_out': mixture.held_out,
    'note': mixture.note,
    'data_dir': str(data_root(data_dir)),
    'split': split,
    'members': members,
    'sum_of_rates': total if trains else None,
    **(_kept_out(mixture) if trains else {}),
  }


def _describe_member(
  member: registry.Member, split: str, data_dir: str | None
) -> dict[str, Any]:
  dataset, part = registry.find_part(member.part)
  rows = rows_of(member.part, split, data_dir) or Rows(0, RECORDED)
  return {
    'part': part.name,
    'dataset': dataset.name,
    'cluster': part.cluster,
    'templates': None if member.templates is None else list(member.templates),
    # None: wanted, but there are no training rows to take exemplars from.
    'shots': _shots(member),
    'format': member.format,
    'status': status_of(part, data_dir),
    'rows': rows.count,
    'rows_from': rows.origin,
    'rate': min(rows.count, MIXING_CAP) if split == 'train' else None,
  }


def _shots(member: registry.Member) -> int | None:
  if member.shots and registry.exemplar_part(member.part) is None:
    return None
  return member.shots


def _kept_out(mixture: registry.Mixture) -> dict[str, list[str]]:
  """Returns what a hold-out leaves out of what hold-outs train on together.

  Datasets are named where their cluster is not left out as a whole. A mixture
  that holds nothing out leaves nothing out.
  """
  held = [m for m in registry.mixtures() if m.held_out and m.purpose == 'train']
  universe, members = _datasets(held), _datasets([mixture])
  if mixture.held_out is None:
    universe = members
  clusters = {cluster for cluster, _ in members}
  out = [key for key in universe if key not in members]
  return {
    'excluded_clusters': list(
      dict.fromkeys(c for c, _ in out if c not in clusters)
    ),
    'excluded_datasets': [name for c, name in out if c in clusters],
  }


def _datasets(
  mixtures: Sequence[registry.Mixture],
) -> dict[tuple[str, str], None]:
  """Returns the (cluster, dataset) of every member, in order."""
  members = [member.part for m in mixtures for member in m.members]
  found = [registry.find_part(part)[0] for part in members]
  order = [dataset.name for dataset in registry.datasets()]
  found.sort(key=lambda dataset: order.index(dataset.name))
  return dict.fromkeys((dataset.cluster, dataset.name) for dataset in found)
