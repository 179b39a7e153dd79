"""Reads the answers of a finished evaluation, to aggregate them once more."""

from collections.abc import Collection, Mapping, Sequence
import dataclasses
import json
import math
import os
from typing import Any

from etils import epath

from flan_jax.cache.cached_split import (
  MANIFEST,
  CachedSplit,
  open_cached_split,
)
from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, in_format
from flan_jax.errors import UserError
from flan_jax.evaluation.aggregation import mean_value, part_results
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.predictions import (
  Answer,
  by_group,
  predictions_by_template,
)
from flan_jax.evaluation.records import RECORDS, RESULTS
from flan_jax.runtime import recorded_files
from flan_jax.runtime.paths import user_path

# What reading a damaged file may raise.
_DAMAGE = (ValueError, TypeError, LookupError, RecursionError)


class RecordedError(UserError):
  """An evaluation that cannot be aggregated again."""


@dataclasses.dataclass(frozen=True)
class RecordedPart:
  """The recorded answers to the test rows of a part.

  Attributes:
    part: The part, without validation rows.
    answers: The answers.
    max_rows: Most rows that were evaluated; None for all.
  """

  part: EvalPart
  answers: Sequence[Answer]
  max_rows: int | None

  def results(self, contaminated: Contaminated) -> list[PartResult]:
    """Returns the results, with those on clean rows.

    No template is chosen by validation rows again; all other numbers are those
    that the evaluation would report with these `contaminated` rows.
    """
    seen = contaminated.of(self.part.test.name)
    return part_results(self.part, self.answers, (), seen, self.max_rows)


def read_recorded(
  folder: str | os.PathLike,
  cache_dir: str | os.PathLike,
  names: Collection[str],
) -> list[RecordedPart]:
  """Reads an evaluation, except for parts that it could not evaluate.

  Args:
    folder: Has `results.json` and `records.jsonl`.
    cache_dir: The token cache that was evaluated.
    names: The parts to read.

  Raises:
    RecordedError: files or cached splits are missing or do not belong to each
      other, or none of the parts was evaluated.
    DamagedFileError: a file is not as it was written.
  """
  folder, entries = user_path(folder), {}
  recorded_files.check(folder, RESULTS, RECORDS)
  for entry in _read_results(folder)['parts']:
    if entry['part'] in names and entry.get('null') is None:
      key = entry['part'], entry['format']
      entries.setdefault(key, []).append(entry)
  if not entries:
    raise RecordedError(
      f'{folder} has no results of {", ".join(sorted(names))}: name an '
      'evaluation of the same mixture'
    )
  records, found = _read_records(folder), []
  for key, groups in entries.items():
    split = _find_split(user_path(cache_dir), groups[0], records[key])
    row_of = {row['id']: number for number, row in enumerate(split.rows)}
    answers = [Answer.recorded(row_of[r['id']], r) for r in records[key]]
    _check(folder, split, answers, groups)
    part = EvalPart(split, shots=groups[0]['shots'])
    found.append(RecordedPart(part, answers, groups[0]['max_rows']))
  return found


def _read_results(folder: epath.Path) -> dict[str, Any]:
  try:
    return json.loads((folder / RESULTS).read_text())
  except OSError as error:
    raise RecordedError(
      f'{folder} has no {RESULTS}: name a folder that `flan-jax eval` wrote, '
      'such as MODEL_DIR/eval/flan_eval_nli'
    ) from error
  except _DAMAGE as error:
    raise RecordedError(
      f'{folder / RESULTS} is damaged ({error}): run the evaluation again'
    ) from error


def _read_records(
  folder: epath.Path,
) -> dict[tuple[str, str], list[dict[str, Any]]]:
  """Returns the records of test rows by part and format."""
  found: dict[tuple[str, str], list] = {}
  path = folder / RECORDS
  with path.open('rb') as file:
    for number, line in enumerate(file, 1):
      try:
        record = json.loads(line)
        key = record['part'], record['format']
        if record['split'] == 'test':
          found.setdefault(key, []).append(record)
      except _DAMAGE as error:
        raise RecordedError(
          f'{path}, line {number} is damaged ({error}): run the evaluation '
          'again'
        ) from error
  return found


def _find_split(
  cache_dir: epath.Path,
  entry: Mapping[str, Any],
  records: Sequence[Mapping[str, Any]],
) -> CachedSplit:
  """Opens the test split that was evaluated.

  The digest of a split tells, except for one with exemplars: then its rows.
  """
  part, ids = _part(entry), {record['id'] for record in records}
  for path in cache_dir.glob(f'{entry["dataset"]}/{entry["part"]}.test*'):
    if not (path / MANIFEST).exists():
      continue
    split = open_cached_split(path, part)
    if split.manifest['format'] != entry['format']:
      continue
    if entry['shots']:
      same = ids <= {row['id'] for row in split.rows}
    else:
      same = split.digest == entry['cache']['test']
    if same:
      return split
  raise RecordedError(
    f'CACHE_DIR {cache_dir} has not the test rows of {entry["part"]} that were '
    'evaluated: name the CACHE_DIR of the evaluation by --cache_dir'
  )


def _part(entry: Mapping[str, Any]) -> Dataset:
  _, part = registry.find_part(entry['part'])
  part = in_format(part, entry['format'])
  if part.template_set != entry['template_set']:
    raise RecordedError(
      f'{entry["part"]} was evaluated with other templates: name the same file '
      'by --template_set'
    )
  return part


def _check(
  folder: epath.Path,
  split: CachedSplit,
  answers: Sequence[Answer],
  groups: Sequence[Mapping[str, Any]],
) -> None:
  """Compares means with the recorded ones: both must be of the same rows."""
  name = split.part.metrics[0]
  means = {
    group: mean_value(predictions_by_template(split, own, [name]), name)
    for group, own in by_group(split, answers).items()
  }
  for entry in groups:
    mean = means.get(entry['group'], math.nan)
    if not math.isclose(mean, entry['mean'], abs_tol=1e-6):
      raise RecordedError(
        f'{folder}: {RECORDS} gives {mean:.4f} as the mean of {split.name}, '
        f'{RESULTS} has {entry["mean"]:.4f}: evaluate again, each number of '
        'exemplars by itself'
      )
