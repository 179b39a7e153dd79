"""What the page says about datasets and mixtures, apart from their rows."""

from collections.abc import Sequence
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import FORMATS, Dataset, Template, in_format
from flan_jax.definitions.mixture_plan import mixing_rate
from flan_jax.inspection.prepared import rows_of
from flan_jax.inspection.rows import template_remarks
from flan_jax.sources.table_files import is_table


def describe(
  parts: Sequence[Dataset], data_dir: str | None = None
) -> dict[str, Any]:
  """Describes parts and the mixtures that hold any of them.

  Args:
    parts: Resolved parts, as declared.
    data_dir: TFDS data directory; None for the default of TFDS.

  Returns:
    {'mixtures': [{'name', 'purpose', 'held_out', 'note', 'rates': sum of the
    rates of all its members}], 'parts': see `_describe`}. Rates follow the
    recorded numbers of rows; rows without a record are counted.
  """
  names = {part.name for part in parts}
  holding = [
    mixture
    for mixture in registry.mixtures()
    if any(member.part in names for member in mixture.members)
  ]
  return {
    'mixtures': [_mixture(mixture, data_dir) for mixture in holding],
    'parts': [_describe(part, holding, data_dir) for part in parts],
  }


def _mixture(mixture: registry.Mixture, data_dir: str | None) -> dict[str, Any]:
  parts = [registry.find_part(member.part)[1] for member in mixture.members]
  rates = [_rate(part, data_dir) for part in parts if part.trains]
  return {
    'name': mixture.name,
    'purpose': mixture.purpose,
    'held_out': mixture.held_out,
    'note': mixture.note,
    'rates': sum(rates) if mixture.purpose == 'train' else None,
  }


def _rate(part: Dataset, data_dir: str | None) -> int:
  return mixing_rate(_rows(part, 'train', data_dir))


def _rows(part: Dataset, split: str, data_dir: str | None) -> int:
  recorded = part.rows.get(split)
  if recorded is None:
    return rows_of(part, split, data_dir).count
  return recorded


def _describe(
  part: Dataset,
  mixtures: Sequence[registry.Mixture],
  data_dir: str | None,
) -> dict[str, Any]:
  """Describes a part.

  `mixtures` has the place of each mixture in the list, and the templates that
  it uses; None for all. `formats` has the templates of each format.
  """
  return {
    'name': part.name,
    'dataset': part.dataset.name,
    'title': part.title,
    'cluster': part.cluster,
    'source': part.source,
    'tfds': not is_table(part.source),
    'homepage': part.homepage,
    'licence': part.licence,
    'manual': part.manual,
    'note': part.note,
    'derived_from': list(part.derived_from),
    'answer': _answer(part),
    'choices': list((part.choices or {}).values()),
    'metrics': list(part.metrics),
    'splits': [
      [split, spec, _rows(part, split, data_dir)]
      for split, spec in part.splits.items()
    ],
    'rate': _rate(part, data_dir) if part.trains else None,
    'mixtures': [
      [place, member.templates and list(member.templates)]
      for place, mixture in enumerate(mixtures)
      for member in mixture.members
      if member.part == part.name
    ],
    'formats': {
      name: [_template(t) for t in in_format(part, name).templates]
      for name in FORMATS
    },
  }


def _answer(part: Dataset) -> str:
  """Returns where the answer comes from, in words."""
  if part.choices is not None:
    return 'fixed classes'
  return 'options of the row' if part.options is not None else 'free text'


def _template(template: Template) -> dict[str, Any]:
  return {
    'input': template.input,
    'target': template.target,
    'inverted': template.inverted,
    'group': template.group,
    'remarks': template_remarks(template),
  }
