"""The folders of finished runs and evaluations, which studies share.

  STUDY_DIR/runs/DIGEST/          MODEL_DIR of a run
  STUDY_DIR/evaluations/DIGEST/   results of an evaluation
  STUDY_DIR/prompts/DIGEST/       MODEL_DIR of a soft prompt, with its results
  STUDY_DIR/NAME-SIZE/study.json  what a study found

The digest is of all that decides the run or evaluation. `finished.json` is
written last: a folder without it is continued, never read.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import json
from typing import Any

from etils import epath

from flan_jax.errors import UserError
from flan_jax.runtime import recorded_files
from flan_jax.runtime.json_text import read_object
from flan_jax.runtime.paths import user_path
from flan_jax.studies.cell_digest import Decides

RUNS, EVALUATIONS, PROMPTS = 'runs', 'evaluations', 'prompts'
FINISHED = 'finished.json'
_AGAIN = 'remove it, and the study computes what is missing'


@dataclasses.dataclass(frozen=True)
class Finished:
  """A finished run or evaluation.

  Attributes:
    folder: Where it is.
    facts: What `finished.json` says of it.
  """

  folder: epath.Path
  facts: Mapping[str, Any]

  @property
  def digest(self) -> str:
    return self.folder.name


class Archive:
  """Finds and records what is finished.

  Attributes:
    folder: STUDY_DIR.
  """

  def __init__(self, folder: str, others: Sequence[str] = ()):
    """Opens folders.

    Args:
      folder: STUDY_DIR, where new results go.
      others: STUDY_DIRs of other machines, which are only read.

    Raises:
      UserError: One of `others` is no such folder.
    """
    self.folder = user_path(folder)
    self._roots = [self.folder]
    for other in others:
      root = user_path(other)
      if not any((root / kind).is_dir() for kind in (RUNS, EVALUATIONS)):
        raise UserError(
          f'--from={other}: there is no {RUNS}/ or {EVALUATIONS}/; name the '
          'STUDY_DIR of a study'
        )
      self._roots.append(root)

  def path(self, kind: str, digest: str) -> epath.Path:
    """Returns the folder in which something is made."""
    return self.folder / kind / digest

  def find(self, kind: str, decides: Decides) -> Finished | None:
    """Returns what is finished with exactly these settings and data.

    Where the data is not cached, and therefore not known, the settings alone
    must find one result among those of other machines. Results of this machine
    are found again once its data is cached.

    Raises:
      UserError: They find several, which were made from different data.
    """
    if decides.data is not None:
      for root in self._roots:
        if found := _read(root / kind / decides.digest):
          return found
      return None
    several = {
      one.digest: one
      for root in self._roots[1:]
      for one in map(_read, _subfolders(root / kind))
      if one and one.facts['settings_digest'] == decides.settings_digest
    }
    if len(several) > 1:
      folders = ', '.join(str(one.folder) for one in several.values())
      raise UserError(
        f'{folders} have the same settings but different data: prepare the '
        'data here, or do not read those that you do not want'
      )
    return next(iter(several.values()), None)

  def finish(
    self, kind: str, decides: Decides, facts: Mapping[str, Any]
  ) -> Finished:
    """Records that a run or evaluation is finished."""
    folder = self.path(kind, decides.digest)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
      'settings_digest': decides.settings_digest,
      'settings': decides.settings,
      'data': decides.data,
      **facts,
    }
    text = json.dumps(facts, indent=1, sort_keys=True)
    recorded_files.write(folder, {FINISHED: text})
    return Finished(folder, facts)


def _subfolders(folder: epath.Path) -> Iterable[epath.Path]:
  return sorted(folder.iterdir()) if folder.is_dir() else ()


def _read(folder: epath.Path) -> Finished | None:
  path = folder / FINISHED
  if not path.exists():
    return None
  facts = read_object(path, fix=_AGAIN)
  if reason := recorded_files.problem(folder, FINISHED):
    raise UserError(f'{path} {reason}: {_AGAIN}')
  if 'settings_digest' not in facts:
    raise UserError(f'{path} has no settings_digest: {_AGAIN}')
  return Finished(folder, facts)
