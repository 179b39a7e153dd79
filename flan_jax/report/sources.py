"""Reads the results that a report is about, into frozen dataclasses.

What `train`, `eval` and `study` write is found by what a folder holds:

  EVALUATION/results.json   an evaluation
  MODEL_DIR/metrics.jsonl   a training run, with its evaluations
  STUDY/study.json          a study, with the evaluations that it names
"""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

from etils import epath

from flan_jax.errors import UserError
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.records import COMPARISON, RECORDS, RESULTS
from flan_jax.runtime.json_text import read_text
from flan_jax.runtime.paths import user_path
from flan_jax.runtime.recorded_files import DIGESTS, check, present
from flan_jax.studies.collect import SCHEMA, STUDY
from flan_jax.training.trackers import METRICS

CONFIG, DATA, EXAMPLES = 'config.gin', 'data.json', 'examples.jsonl'
EVAL, EVAL_BASE = 'eval', 'eval_base'
# Keys of results.json that `Evaluation` has in other fields.
_RESULT_KEYS = ('summary', 'clusters', 'parts')

# What a file that is not as it was written may raise.
_EXPECTED = (OSError, ValueError, TypeError, AttributeError, RecursionError)

Json = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """An evaluation of one mixture.

  Attributes:
    folder: Where it is.
    about: What `results.json` says of it: mixture, checkpoint, step, software.
    results: One result for each subset and group of templates.
    records_path: Its `records.jsonl`; None if that is absent.
    comparison: The lines of datasets in `comparison.json`; empty if that is
      absent.
    examples: The objects of `examples.jsonl`; empty if that is absent.
  """

  folder: str
  about: Json
  results: tuple[PartResult, ...]
  records_path: str | None
  comparison: tuple[Json, ...]
  examples: tuple[Json, ...]

  @property
  def mixture(self) -> str:
    return self.about['mixture']

  @property
  def is_base(self) -> bool:
    """Whether it is of parameters before any tuning.

    An imported model, which has no steps, is known to be tuned on nothing.
    """
    about = self.about
    known = about.get('not_held_out') is not None and 'trained_on' in about
    return about.get('step') == 0 or (known and about['trained_on'] is None)

  def records(self) -> Iterator[Json]:
    """Yields the records of `records.jsonl`; none if it is absent.

    Raises:
      UserError: A line cannot be read.
    """
    if self.records_path is not None:
      yield from _read_lines(user_path(self.records_path))


@dataclasses.dataclass(frozen=True)
class TrainingRun:
  """A training run.

  Attributes:
    folder: Its MODEL_DIR.
    metrics: The objects of `metrics.jsonl`.
    config: The text of `config.gin`, '' if that is absent.
    data: The content of `data.json`; None if that is absent.
    evaluations: Those below `eval/`, of tuned parameters.
    base: Those below `eval_base/`, of the initial parameters.
  """

  folder: str
  metrics: tuple[Json, ...]
  config: str
  data: Json | None
  evaluations: tuple[Evaluation, ...]
  base: tuple[Evaluation, ...]


@dataclasses.dataclass(frozen=True)
class Study:
  """A study.

  Attributes:
    path: Its `study.json`.
    json: The content of that file.
    evaluations: Folder, as `study.json` names it -> the evaluation. Those that
      are not next to the file, but on other machines, are left out.
    runs: The same for training runs.
  """

  path: str
  json: Json
  evaluations: Mapping[str, Evaluation]
  runs: Mapping[str, TrainingRun]


@dataclasses.dataclass(frozen=True)
class Sources:
  """All that a report is about.

  Attributes:
    evaluations: Evaluations that are named by themselves.
    runs: Training runs, with their own evaluations.
    studies: Studies, with their own runs and evaluations.
  """

  evaluations: tuple[Evaluation, ...] = ()
  runs: tuple[TrainingRun, ...] = ()
  studies: tuple[Study, ...] = ()


def read_sources(paths: Sequence[str | os.PathLike]) -> Sources:
  """Reads results.

  Args:
    paths: Folders of evaluations, MODEL_DIRs, `study.json` files, their folders
      or whole STUDY_DIRs, in any mixture. What is named twice is read once.

  Raises:
    UserError: A path holds nothing of these, or a file cannot be read.
  """
  found: dict[str, Evaluation | TrainingRun | Study] = {}
  for path in dict.fromkeys(os.fspath(p).rstrip('/') for p in paths):
    for one in _read(user_path(path)):
      key = one.path if isinstance(one, Study) else one.folder
      found.setdefault(os.path.normpath(key), one)

  def of(kind):
    return tuple(one for one in found.values() if isinstance(one, kind))

  return Sources(of(Evaluation), of(TrainingRun), of(Study))


def _read(path: epath.Path) -> list[Evaluation | TrainingRun | Study]:
  if path.name == STUDY:
    return [_read_study(path)]
  if not path.is_dir():
    raise UserError(
      f'{path} is no folder: name a MODEL_DIR, the folder of an evaluation, or '
      'a study.json'
    )
  if (path / STUDY).exists():
    return [_read_study(path / STUDY)]
  if (path / RESULTS).exists():
    return [read_evaluation(path)]
  if any((path / name).exists() for name in (METRICS, CONFIG)):
    return [_read_run(path)]
  # A STUDY_DIR, or the folder `eval` of a MODEL_DIR.
  found = [_read_study(study) for study in sorted(path.glob(f'*/{STUDY}'))]
  found = found or list(_evaluations(path))
  if not found:
    raise UserError(
      f'{path} holds no results ({RESULTS}, {METRICS} or {STUDY}): name a '
      'MODEL_DIR, the folder of an evaluation such as '
      'MODEL_DIR/eval/flan_eval_nli, or a study.json'
    )
  return found


def read_evaluation(folder: epath.Path) -> Evaluation:
  """Reads the folder of an evaluation.

  Raises:
    UserError: A file cannot be read, or is not what an evaluation writes.
  """
  path, records = folder / RESULTS, folder / RECORDS
  check(folder, RESULTS)
  here = present(folder, (RECORDS, COMPARISON, EXAMPLES))
  with _Reading(path):
    values = _object(_load(path))
    evaluation = Evaluation(
      folder=str(folder),
      about={k: v for k, v in values.items() if k not in _RESULT_KEYS},
      results=tuple(part_result(entry) for entry in values['parts']),
      records_path=str(records) if RECORDS in here else None,
      comparison=_comparison(folder / COMPARISON) if COMPARISON in here else (),
      examples=tuple(_examples(folder / EXAMPLES)) if EXAMPLES in here else (),
    )
    evaluation.about['mixture']
  return evaluation


def model_dir(folder: str) -> str | None:
  """Returns the MODEL_DIR of the folder of an evaluation, by its name.

  >>> model_dir('runs/small/eval/flan_eval_nli')
  'runs/small'
  """
  parts = pathlib.PurePath(folder).parts
  for name in (EVAL, EVAL_BASE):
    if name in parts[1:]:
      last = len(parts) - 1 - parts[::-1].index(name)
      return str(pathlib.PurePath(*parts[:last]))
  return None


def part_result(entry: Json) -> PartResult:
  """Returns an entry of `parts` in results.json as it was before.

  Raises:
    KeyError, TypeError, ValueError: It has not the keys of an entry.
  """
  derived = ('split', 'verdict')
  values = {k: value for k, value in entry.items() if k not in derived}
  templates = {int(t): v for t, v in values.pop('templates').items()}
  result = PartResult(**values, templates=templates)
  for template in templates.values():
    float(template[result.metric])
  return result


def _evaluations(folder: epath.Path) -> Iterator[Evaluation]:
  """Yields the evaluations in a folder, of one checkpoint or of several."""
  for depth in ('*', '*/*'):
    files = (f for n in (RESULTS, DIGESTS) for f in folder.glob(f'{depth}/{n}'))
    for found in sorted({file.parent for file in files}):
      if present(found, [RESULTS]):
        yield read_evaluation(found)


def _read_run(folder: epath.Path) -> TrainingRun:
  metrics, config, data = (folder / n for n in (METRICS, CONFIG, DATA))
  here = present(folder, (METRICS, CONFIG, DATA))
  lines = list(_read_lines(metrics)) if METRICS in here else []
  with _Reading(metrics):
    for line in lines:
      int(line['step']), str(line['kind'])
  with _Reading(data):
    facts = _object(_load(data)) if DATA in here else None
    for example in (facts or {}).get('loss_example', ()):
      example['part'], [(p['text'], p['weight']) for p in example['pieces']]
  return TrainingRun(
    folder=str(folder),
    metrics=tuple(lines),
    config=read_text(config) if CONFIG in here else '',
    data=facts,
    evaluations=tuple(_evaluations(folder / EVAL)),
    base=tuple(_evaluations(folder / EVAL_BASE)),
  )


def _read_study(path: epath.Path) -> Study:
  check(path.parent, path.name)
  with _Reading(path):
    study = _object(_load(path))
    if study['schema'] != SCHEMA:
      raise UserError(
        f'{path} has schema {study["schema"]}, this version reads {SCHEMA}: '
        'run the study again, which computes only what is missing'
      )
    root, cells = path.parent.parent, study['cells']
    study['panel'], study['study'], study['size']
    for key in ('arms', 'holdouts', 'panel', 'seeds'):
      study['design'][key]
    found = [e for cell in cells for e in cell['evaluations']]
    for evaluation in found:
      for entry in evaluation['parts']:
        part_result(entry)
    evaluations = [evaluation['folder'] for evaluation in found]
    runs = [cell['run']['folder'] for cell in cells if cell['run']]
  return Study(
    path=str(path),
    json=study,
    evaluations={
      name: read_evaluation(root / name)
      for name in dict.fromkeys(evaluations)
      if present(root / name, [RESULTS])
    },
    runs={
      name: _read_run(root / name)
      for name in dict.fromkeys(runs)
      if (root / name).is_dir()
    },
  )


def _comparison(path: epath.Path) -> tuple[Json, ...]:
  with _Reading(path):
    lines = tuple(map(_object, _load(path)['datasets']))
    for line in lines:
      line['part'], line['group'], line['p'], float(line['difference'])
      float(line['groups'])
  return lines


def _examples(path: epath.Path) -> Iterator[Json]:
  for example in _read_lines(path):
    with _Reading(path):
      for key in ('part', 'template', 'row_id', 'prompt', 'gold', 'predicted'):
        example[key]
    yield example


def _read_lines(path: epath.Path) -> Iterator[Json]:
  with path.open('rb') as file:
    for number, line in enumerate(file, 1):
      with _Reading(path, number):
        found = _object(json.loads(line))
      yield found


def _load(path: epath.Path) -> Any:
  return json.loads(path.read_text())


def _object(value: Any) -> Json:
  if not isinstance(value, dict):
    raise TypeError(f'{type(value).__name__} in place of an object')
  return value


class _Reading:
  """Turns what goes wrong while a file is read into one UserError."""

  def __init__(self, path: epath.Path, line: int | None = None):
    self._place = f'{path}, line {line}' if line else str(path)

  def __enter__(self) -> None:
    pass

  def __exit__(self, kind, error, traceback) -> None:
    if isinstance(error, KeyError):
      reason = f'there is no {error}'
    elif isinstance(error, _EXPECTED):
      reason = str(error)
    else:
      return
    raise UserError(
      f'{self._place} is not what this version of flan_jax writes ({reason}): '
      'remove it, and make it again'
    ) from error
