"""How much tuning changed the score of each dataset, with an interval."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import math
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import ANSWER_TARGET, Dataset, in_format
from flan_jax.errors import UserError
from flan_jax.evaluation import comparison
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.metrics import text_metrics
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.predictions import Answer
from flan_jax.report.sources import Evaluation
from flan_jax.report.systems import System

_AGAIN = 'train with EVAL_BASE=True, which compares row by row'


@dataclasses.dataclass(frozen=True)
class Difference:
  """A tuned model less the base model, in percentage points.

  Attributes:
    value: The difference of their means over templates.
    line: The comparison, judged with those of all datasets, see
      `comparison.compare`; None if the rows cannot be compared.
    note: Why they cannot, and what to do; empty otherwise.
  """

  value: float
  line: Mapping[str, Any] | None
  note: str = ''

  @property
  def interval(self) -> tuple[float, float] | None:
    """The 95 % interval; None for none, see `shown_interval`."""
    return self.line and comparison.shown_interval(self.line)

  @property
  def verdict(self) -> str:
    if self.line is None:
      return comparison.NO_INTERVAL
    return self.line['verdict']


def differences(base: System, tuned: System) -> dict[str, Difference]:
  """Compares two models on the rows that both have.

  What `comparison.json` holds is taken where it is of these two models.
  Otherwise the records of both evaluations are compared in the same way.

  Returns:
    Name of a row (`systems.row_name`) -> the difference.

  Raises:
    UserError: A file of records cannot be read.
  """
  found = {}
  recorded = _Records(base, tuned)
  for row, after in tuned.parts.items():
    if (before := base.parts.get(row)) is not None:
      line = _line(tuned.evaluations, before, after)
      if line is None:
        found[row] = recorded.difference(row, before, after)
      else:
        found[row] = Difference(line['difference'], line)
  known = [row for row, one in found.items() if one.line is not None]
  lines = comparison.judged(found[row].line for row in known)
  for row, line in zip(known, lines, strict=True):
    found[row] = dataclasses.replace(found[row], line=line)
  return found


def _line(
  evaluations: Iterable[Evaluation], before: PartResult, after: PartResult
) -> Mapping[str, Any] | None:
  """Returns the line of comparison.json that is of these results."""
  for evaluation in evaluations:
    if after in evaluation.results:
      for line in evaluation.comparison:
        same = (line['part'], line['group']) == (after.part, after.group)
        if same and _close(line['before'], before.mean):
          if _close(line['after'], after.mean):
            return line
  return None


def _close(first: float, second: float) -> bool:
  return math.isclose(first, second, abs_tol=1e-6)


class _Records:
  """Compares the records of two models, each file of which is read once."""

  def __init__(self, base: System, tuned: System):
    self._systems = base, tuned
    self._records: dict[str, dict[Any, list[Any]]] = {}
    self._compared: dict[Any, list[Mapping[str, Any]]] = {}

  def difference(
    self, row: str, before: PartResult, after: PartResult
  ) -> Difference:
    """Returns the difference of two results of the same row."""
    value = after.mean - before.mean
    try:
      lines = self._compare(row, before, after)
    except _NotComparable as error:
      return Difference(value, None, f'{row}: {error}')
    for line in lines:
      if line['group'] == after.group and _close(line['difference'], value):
        return Difference(value, line)
    reason = f'the records do not give the recorded means: {_AGAIN}'
    return Difference(value, None, f'{row}: {reason}')

  def _compare(
    self, row: str, before: PartResult, after: PartResult
  ) -> list[Mapping[str, Any]]:
    part = _part(after)
    if before.template_set != part.template_set or (
      after.template_set != part.template_set
    ):
      raise _NotComparable(f'it was asked with a template set: {_AGAIN}')
    sides = []
    for system, result in zip(self._systems, (before, after), strict=True):
      found = [e for e in system.evaluations if result in e.results]
      if not found or found[0].records_path is None:
        raise _NotComparable(f'there is no records.jsonl: {_AGAIN}')
      sides.append(self._of(found[0]).get(_key(result), []))
    key = _key(after)
    if key not in self._compared:
      self._compared[key] = _compared(part, *sides)
    return self._compared[key]

  def _of(self, evaluation: Evaluation) -> dict[Any, list[Any]]:
    """Returns the records of test rows by part, format and exemplars."""
    path = evaluation.records_path
    if path not in self._records:
      shots = {(r.part, r.format): r.shots for r in evaluation.results}
      by_part: dict[Any, list[Any]] = {}
      for record in evaluation.records():
        if record['split'] == 'test':
          about = record['part'], record['format']
          by_part.setdefault((*about, shots.get(about)), []).append(record)
      self._records[path] = by_part
    return self._records[path]


def _key(result: PartResult) -> tuple[str, str, int]:
  return result.part, result.format, result.shots


class _NotComparable(Exception):
  """Why there is no interval."""


def _part(result: PartResult) -> Dataset:
  try:
    return in_format(registry.find_part(result.part)[1], result.format)
  except UserError as error:
    raise _NotComparable(
      f'{error}; name the module that registers it by --task_module'
    ) from error


@dataclasses.dataclass(frozen=True)
class _AskedRows:
  """The rows of a split that were asked: all that a comparison reads of it."""

  name: str
  part: Dataset
  rows: Sequence[Mapping[str, Any]]


def _compared(
  part: Dataset,
  before: Sequence[Mapping[str, Any]],
  after: Sequence[Mapping[str, Any]],
) -> list[Mapping[str, Any]]:
  """Compares records of one part as `comparison.json` does."""
  asked = [{(r['template'], r['id']) for r in side} for side in (before, after)]
  if not before or asked[0] != asked[1]:
    raise _NotComparable(
      'the models answered different rows: evaluate both with the same '
      'MAX_EVAL_ROWS and data'
    )
  if part.metrics[0] in text_metrics.METRICS and 'references' not in before[0]:
    raise _NotComparable(f'records of options have no references: {_AGAIN}')
  rows: dict[str, dict[str, Any]] = {}
  for record in before:
    row = rows.setdefault(record['id'], {'id': record['id'], 'targets': {}})
    row['group'] = record['group']
    if 'gold' in record:
      row['correct'] = record['gold']
    if 'references' in record:
      pattern = part.templates[record['template']].target
      if pattern == ANSWER_TARGET:
        row['answers'] = record['references']
      else:
        row['targets'][pattern] = record['references'][0]
  index = {row_id: number for number, row_id in enumerate(rows)}
  answers = [
    [Answer.recorded(index[record['id']], record) for record in side]
    for side in (before, after)
  ]
  split = _AskedRows(part.name, part, list(rows.values()))
  return comparison.compare(EvalPart(split), *answers)
