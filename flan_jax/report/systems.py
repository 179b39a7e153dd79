"""The models whose answers to the same datasets a report compares."""

from collections.abc import Container, Iterable, Iterator, Sequence
import dataclasses
import pathlib

from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.drawing import shorten
from flan_jax.report.sources import (
  Evaluation,
  Sources,
  Study,
  TrainingRun,
  model_dir,
  part_result,
)
from flan_jax.studies import main_panel

BASE, TUNED = 'base', 'tuned'
_ORIGIN = 28  # Characters of the name of a folder.


@dataclasses.dataclass(frozen=True)
class System:
  """One model, as evaluated.

  Attributes:
    label: Its name in figures.
    origin: A folder or study that tells it from others of the same label.
    parts: Row of a chart (see `row_name`) -> the result. Each has a mean.
    evaluations: What holds its answers, where that is at hand.
  """

  label: str
  origin: str
  parts: dict[str, PartResult]
  evaluations: tuple[Evaluation, ...] = ()

  @property
  def is_base(self) -> bool:
    """Whether it is a model before tuning."""
    return self.label == BASE or self.label.startswith(f'{BASE}, ')

  @classmethod
  def of(cls, label: str, origin: str, evaluation: Evaluation) -> 'System':
    return cls(label, origin, _rows(evaluation.results), (evaluation,))


def row_name(part: PartResult) -> str:
  """Returns the name of a result: part, group of templates, format, shots."""
  name = part.name
  if part.format != 'instructions':
    name += f' ({part.format})'
  return f'{name}, {part.shots} shots' if part.shots else name


def rows_of(
  systems: Sequence[System], rows: Container[str] | None = None
) -> list[tuple[str, str]]:
  """Returns cluster and name of every row that a system has, or of `rows`."""
  found: dict[str, str] = {}
  for system in systems:
    for row, part in system.parts.items():
      if rows is None or row in rows:
        found.setdefault(row, part.cluster)
  return [(cluster, row) for row, cluster in found.items()]


def base_of(system: System, systems: Iterable[System]) -> System | None:
  """Returns the model before tuning that a model is compared with.

  That is the first one that answered some of the same datasets, of the same
  origin if possible; None if there is none.
  """
  known = [
    base
    for base in systems
    if base.is_base and base.parts.keys() & system.parts.keys()
  ]
  known.sort(key=lambda base: base.origin != system.origin)
  return known[0] if known else None


def find_systems(sources: Sources) -> tuple[System, ...]:
  """Returns the models of all sources, those before tuning first.

  Evaluations of different datasets are of one system if they have the same
  label: a model that is tuned for each cluster that is held out counts as one.
  Those of one run or study are joined first. Where two systems answered the
  same dataset, their labels also have their origins.
  """
  found: list[System] = []
  for evaluation in sources.evaluations:
    found.append(
      System.of(_label(evaluation), _origin(evaluation.folder), evaluation)
    )
  for run in sources.runs:
    found += _of_run(run)
  for study in sources.studies:
    found += _of_study(study)
  found.sort(key=lambda system: system.label != BASE)
  return _merge(found)


def _rows(results: Iterable[PartResult]) -> dict[str, PartResult]:
  return {row_name(r): r for r in results if r.mean is not None}


def _label(evaluation: Evaluation) -> str:
  return BASE if evaluation.is_base else TUNED


def _origin(folder: str) -> str:
  """Returns the name of the MODEL_DIR of an evaluation, or that of its folder.

  >>> _origin('runs/small/eval/flan_eval_nli')
  'small'
  """
  return pathlib.PurePath(model_dir(folder) or folder).name


def _of_run(run: TrainingRun) -> Iterator[System]:
  """Yields the base model, and each checkpoint that was evaluated."""
  origin = pathlib.PurePath(run.folder).name
  steps = {e.about.get('step') for e in run.evaluations if not e.is_base}
  for evaluation in (*run.base, *run.evaluations):
    label = _label(evaluation)
    if label == TUNED and len(steps) > 1:
      label = f'step {evaluation.about.get("step")}'
    yield System.of(label, origin, evaluation)


def _of_study(study: Study) -> Iterator[System]:
  """Yields both arms of the main study, zero-shot, under the first seed."""
  if study.json['design']['panel'] != 'main':
    return
  origin = f'{study.json["study"]}-{study.json["size"]}'
  cells = [c for c in study.json['cells'] if c['arm'] in (BASE, TUNED)]
  first = min((cell['seed'] for cell in cells), default=0)
  for cell in cells:
    if cell['seed'] != first:
      continue
    for entry in cell['evaluations']:
      if entry['label'] == main_panel.ZERO:
        evaluation = study.evaluations.get(entry['folder'])
        yield System(
          cell['arm'],
          origin,
          _rows(map(part_result, entry['parts'])),
          () if evaluation is None else (evaluation,),
        )


def _merge(found: Iterable[System]) -> tuple[System, ...]:
  merged = _join(_join(found, same_origin=True), same_origin=False)
  labels = [system.label for system in merged]
  named = [
    system
    if labels.count(system.label) == 1
    else dataclasses.replace(
      system, label=f'{system.label}, {shorten(system.origin, _ORIGIN)}'
    )
    for system in merged
  ]
  return tuple(_numbered(named))


def _join(found: Iterable[System], same_origin: bool) -> list[System]:
  """Joins systems of equal labels that answered different datasets."""
  joined: list[System] = []
  for system in found:
    for number, home in enumerate(joined):
      alike = system.label == home.label and (
        system.origin == home.origin or not same_origin
      )
      if alike and not system.parts.keys() & home.parts.keys():
        joined[number] = dataclasses.replace(
          home,
          parts=home.parts | system.parts,
          evaluations=home.evaluations + system.evaluations,
        )
        break
    else:
      joined.append(system)
  return joined


def _numbered(systems: Iterable[System]) -> Iterator[System]:
  """Puts numbers behind labels that are still equal."""
  seen: dict[str, int] = {}
  for system in systems:
    number = seen[system.label] = seen.get(system.label, 0) + 1
    label = f'{system.label} ({number})' if number > 1 else system.label
    yield dataclasses.replace(system, label=label)
