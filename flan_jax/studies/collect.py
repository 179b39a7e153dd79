"""Gathers the results of a study in one `study.json`; see docs/studies.md.

The file holds no time, no absolute path and nothing else that two runs of the
same study could differ in.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
from typing import Any

from etils import epath

from flan_jax import __version__
from flan_jax.errors import UserError
from flan_jax.evaluation.records import RECORDS, RESULTS, existing_name
from flan_jax.runtime import recorded_files
from flan_jax.runtime.paths import user_path
from flan_jax.studies.archive import EVALUATIONS, PROMPTS, RUNS, Finished
from flan_jax.studies.design import (
  Cell,
  CellEvaluation,
  CellPrompt,
  StudyDesign,
)

STUDY = 'study.json'
SCHEMA = 1
# What reading a damaged file may raise.
_DAMAGE = (OSError, ValueError, RecursionError, recorded_files.DamagedFileError)


@dataclasses.dataclass(frozen=True)
class CellResult:
  """What is finished of a cell.

  Attributes:
    cell: The cell.
    run: Its training run; None if it does not train or is not finished.
    evaluations: Each evaluation, and its results; None if not finished.
    prompts: Each soft prompt, its task and its results; None if not finished.
  """

  cell: Cell
  run: Finished | None
  evaluations: Sequence[tuple[CellEvaluation, Finished | None]]
  prompts: Sequence[tuple[CellPrompt, str, Finished | None]] = ()

  @property
  def finished(self) -> bool:
    trained = self.run is not None or self.cell.train is None
    found = [f for _, f in self.evaluations]
    found += [f for _, _, f in self.prompts]
    return trained and all(one is not None for one in found)

  def as_json(self) -> dict[str, Any]:
    """Returns the entry of `cells` in `study.json`."""
    cell = self.cell
    return {
      'name': cell.name,
      'arm': cell.arm,
      'holdout': cell.holdout,
      'seed': cell.seed,
      'trained_on': cell.train,
      'settings': dict(cell.settings),
      'gin_files': list(cell.gin_files),
      'template_set': cell.template_set,
      'finished': self.finished,
      'run': self.run
      and {
        'folder': f'{RUNS}/{self.run.digest}',
        **{key: self.run.facts[key] for key in ('steps', 'tokens', 'params')},
      },
      'evaluations': [
        _evaluation(evaluation, found)
        for evaluation, found in self.evaluations
        if found is not None
      ],
      'prompts': [
        _prompt(prompts, task, found)
        for prompts, task, found in self.prompts
        if found is not None
      ],
    }


def _evaluation(evaluation: CellEvaluation, found: Finished) -> dict[str, Any]:
  folder = existing_name(found.folder, evaluation.mixture)
  results = _read(found, folder)
  return {
    'label': evaluation.label,
    'mixture': evaluation.mixture,
    'settings': dict(evaluation.settings),
    'folder': f'{EVALUATIONS}/{found.digest}/{folder}',
    'params': found.facts['params'],
    'summary': results['summary'],
    'clusters': results['clusters'],
    'parts': results['parts'],
  }


def _prompt(prompts: CellPrompt, task: str, found: Finished) -> dict[str, Any]:
  folder = f'eval/{existing_name(found.folder / "eval", task)}'
  return {
    'label': prompts.label,
    'task': task,
    'settings': dict(prompts.settings),
    'folder': f'{PROMPTS}/{found.digest}',
    'params': found.facts['params'],
    'step': found.facts['step'],
    'parts': _read(found, folder)['parts'],
  }


def _read(found: Finished, folder: str) -> dict[str, Any]:
  path = found.folder / folder / RESULTS
  try:
    recorded_files.check(path.parent, RESULTS)
    return json.loads(path.read_text())
  except _DAMAGE as error:
    raise _unreadable(path, found, error) from error


def _unreadable(
  path: epath.Path, found: Finished, error: Exception
) -> UserError:
  return UserError(
    f'{path} cannot be read ({error}): remove {found.folder}, and the study '
    'evaluates again'
  )


def records_of(found: Finished, evaluation: CellEvaluation) -> list[dict]:
  """Reads the records of a finished evaluation."""
  name = existing_name(found.folder, evaluation.mixture)
  path = found.folder / name / RECORDS
  try:
    recorded_files.check(path.parent, RECORDS)
    lines = path.read_text(encoding='utf-8').splitlines()
    return [json.loads(line) for line in lines]
  except _DAMAGE as error:
    raise _unreadable(path, found, error) from error


def study_json(
  name: str,
  size: str,
  design: StudyDesign,
  cells: Sequence[Mapping[str, Any]],
  panel: Mapping[str, Any],
) -> dict[str, Any]:
  """Returns the content of `study.json`.

  Args:
    name: Name of the study.
    size: Its size.
    design: Its design.
    cells: Its cells, from `CellResult.as_json`.
    panel: What its results are compared in, see `panels`.
  """
  return {
    'schema': SCHEMA,
    'study': name,
    'size': size,
    'flan_jax': __version__,
    'design': dataclasses.asdict(design),
    'finished': all(cell['finished'] for cell in cells),
    'cells': list(cells),
    'panel': panel,
  }


def write_study(folder: str, study: Mapping[str, Any]) -> str:
  """Writes `study.json`; returns its path."""
  path = user_path(folder) / f'{study["study"]}-{study["size"]}' / STUDY
  path.parent.mkdir(parents=True, exist_ok=True)
  text = json.dumps(study, indent=1, ensure_ascii=False, allow_nan=False)
  recorded_files.write(path.parent, {STUDY: text + '\n'})
  return str(path)
