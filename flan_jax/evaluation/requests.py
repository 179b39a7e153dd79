"""From the units of a part to what a model is asked."""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
from typing import Any

import numpy as np

from flan_jax.batches.few_shot import FewShotUnit
from flan_jax.batches.packing import Example
from flan_jax.batches.sampler import key_of, permute
from flan_jax.cache.cached_split import Framing, Unit


@dataclasses.dataclass(frozen=True)
class EvalPart:
  """One part to evaluate.

  Attributes:
    test: Unit of the rows that are reported.
    dev: Unit of the rows that choose the template; None without such rows.
    templates: The templates to evaluate; None for every ordinary one.
    shots: Most exemplars before each example.
    null: Why it cannot be evaluated as asked; empty where it can.
  """

  test: Unit
  dev: Unit | None = None
  templates: tuple[int, ...] | None = None
  shots: int = 0
  null: str = ''

  @property
  def units(self) -> tuple[Unit, ...]:
    """The units to score."""
    units = () if self.null else (self.test, self.dev)
    return tuple(unit for unit in units if unit is not None)


@dataclasses.dataclass(frozen=True)
class Request:
  """One record of a unit, as an example to score or a prompt to continue.

  Attributes:
    unit: The unit.
    record: Index of the record.
    example: Its prompt and options; the only target of free text is gold.
    ended: Which targets carry an end token.
  """

  unit: Unit
  record: int
  example: Example
  ended: tuple[bool, ...]

  @property
  def ranked(self) -> bool:
    return 'correct' in self.row

  @property
  def row(self) -> Mapping[str, Any]:
    return self.unit.rows[int(self.unit.records[self.record]['row'])]

  @property
  def option_texts(self) -> list[str]:
    """The words of the options."""
    choices = self.unit.manifest['choices']
    return list(choices.values()) if choices else list(self.row['options'])

  def options_written(self, text: str) -> list[int]:
    """Returns the options that a text is, but for case, spaces, full stop."""
    said = _bare(text)
    return [n for n, o in enumerate(self.option_texts) if _bare(o) == said]

  @property
  def template(self) -> int:
    return int(self.unit.records[self.record]['template'])


def requests(
  unit: Unit,
  framing: Framing,
  templates: Sequence[int] | None = None,
  max_rows: int | None = None,
) -> list[Request]:
  """Returns the records of a unit to score, in the unit's order.

  Args:
    unit: An evaluation unit.
    framing: What stands between the pieces.
    templates: Templates to use; None for all.
    max_rows: At most so many rows, picked by a hash of the part's name, so
      that every run picks the same; None for all.
  """
  chosen = _chosen_rows(unit, max_rows)
  limit = unit.manifest['lengths']['targets']
  found = []
  for index, record in enumerate(unit.records):
    if int(record['row']) not in chosen:
      continue
    if templates is not None and int(record['template']) not in templates:
      continue
    _, *options = unit.pieces(record)
    ended = tuple(len(option) < limit for option in options)
    targets = tuple(
      framing.target(option[:limit], cut=not end)
      for option, end in zip(options, ended, strict=True)
    )
    example = Example(unit.prompt(index, framing), targets)
    found.append(Request(unit, index, example, ended))
  return found


def _bare(text: str) -> str:
  return ' '.join(text.casefold().split()).removesuffix('.')


def _chosen_rows(unit: Unit, max_rows: int | None) -> set[int]:
  rows = np.arange(unit.num_rows)
  if max_rows is not None and max_rows < unit.num_rows:
    rows = permute(rows, unit.num_rows, key_of(unit.name))[:max_rows]
  return set(rows.tolist())


def about(request: Request, target: Sequence[int]) -> dict[str, Any]:
  """Returns what identifies a request and its gold target in a record."""
  return {
    'dataset': request.unit.manifest['dataset'],
    'part': request.unit.name,
    'format': request.unit.manifest['format'],
    'template_set': request.unit.manifest['template_set'],
    'role': request.unit.manifest['role'],
    'template': request.template,
    'shots': _shots_shown(request),
    'id': request.row['id'],
    'group': request.row['group'],
    'prompt_hash': _hash(request.example.prompt),
    'target_hash': _hash(target),
  }


def _shots_shown(request: Request) -> int:
  if not isinstance(request.unit, FewShotUnit):
    return 0
  return len(request.unit.exemplars(request.record))


def _hash(tokens: Sequence[int]) -> str:
  data = np.asarray(tokens, '<i4').tobytes()
  return hashlib.sha256(data).hexdigest()[:16]
