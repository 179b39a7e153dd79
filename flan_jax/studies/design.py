"""A study as a matrix: arms x hold-outs x seeds, each with its evaluations."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.definitions import names
from flan_jax.errors import ConfigError, nearest
from flan_jax.setting_types import Name, Path, Text, check, kinds_of

# Stands for the hold-out in the names of mixtures.
_HOLDOUT = '{holdout}'
# Macros by name; and what is declared, by a label, in fields.
_Macros = Mapping[Text, Any]
_Declared = Mapping[Text, Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class EvaluationSpec:
  """What an arm is asked.

  Attributes:
    mixture: Mixture or task to evaluate. `{holdout}` stands for the hold-out.
    settings: Macros that differ from those of the study.
    holdouts: The hold-outs it is for; None for all.
  """

  mixture: Name
  settings: _Macros = dataclasses.field(default_factory=dict)
  holdouts: Sequence[str] | None = None


@dataclasses.dataclass(frozen=True)
class PromptSpec:
  """Soft prompts that are tuned for the model of an arm, see `prompt-tune`.

  Attributes:
    tasks: Hold-out -> the tasks that a prompt is tuned for.
    settings: Macros that differ from those of the study.
  """

  tasks: Mapping[str, Sequence[Name]]
  settings: _Macros = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Arm:
  """One way to make a model, and what it is asked.

  Attributes:
    train: Mixture or task to train on, with `{holdout}`; None evaluates the
      initial parameters.
    settings: Macros that differ from those of the study.
    gin_files: Files that are read after those of the study, such as a model's.
    template_set: Templates that the evaluations use, as in --template_set.
    evaluations: Label -> evaluation; None for those of the study.
    prompts: Label -> soft prompts to tune for the model.
  """

  train: Name | None = None
  settings: _Macros = dataclasses.field(default_factory=dict)
  gin_files: Sequence[Path] = ()
  template_set: Path | None = None
  evaluations: _Declared | None = None
  prompts: _Declared = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class CellEvaluation:
  """One evaluation of one cell.

  Attributes:
    label: Its name in the study, such as `zero-shot`.
    mixture: The mixture or task. It is resolved when it is evaluated, under the
      templates of the cell.
    settings: Macros that differ from those of the cell.
  """

  label: str
  mixture: str
  settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class CellPrompt:
  """Soft prompts of one cell, one for each task.

  Attributes:
    label: Their name in the study, such as `32 examples`.
    tasks: The names of the tasks.
    settings: Macros that differ from those of the cell.
  """

  label: str
  tasks: tuple[str, ...]
  settings: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Cell:
  """One place of the matrix: a model, and what it is asked.

  Attributes:
    arm: Name of the arm.
    holdout: What is held out.
    seed: SEED of training and evaluation.
    train: The mixture or task to train on; None for none.
    settings: Macros that differ from those of the study.
    gin_files: Files that are read after those of the study.
    template_set: Templates that the evaluations use.
    evaluations: What it is asked.
    prompts: The soft prompts to tune for it.
  """

  arm: str
  holdout: str
  seed: int
  train: str | None
  settings: Mapping[str, Any]
  gin_files: tuple[str, ...]
  template_set: str | None
  evaluations: tuple[CellEvaluation, ...]
  prompts: tuple[CellPrompt, ...]

  @property
  def name(self) -> str:
    """Such as `tuned/nli/0`."""
    return f'{self.arm}/{self.holdout}/{self.seed}'

  def mixtures(self) -> list[str]:
    """Returns the mixtures and tasks that the cell names."""
    asked = [evaluation.mixture for evaluation in self.evaluations]
    asked += [task for prompts in self.prompts for task in prompts.tasks]
    return [self.train, *asked] if self.train else asked


@dataclasses.dataclass(frozen=True)
class StudyDesign:
  """A study, as its gin file declares it.

  Attributes:
    arms: Name -> the fields of an `Arm`.
    holdouts: What is held out, one after the other.
    evaluations: Label -> the fields of an `EvaluationSpec`, of every arm that
      has none of its own.
    seeds: Seeds of the arms that train. An arm that does not train has the
      first one only, since its parameters are the same under all.
    panel: What the results are compared in, see `panels`.
    endpoints: What the panel decides, fixed before anything runs.
  """

  arms: Mapping[str, Mapping[str, Any]]
  holdouts: Sequence[str]
  evaluations: Mapping[str, Mapping[str, Any]] = dataclasses.field(
    default_factory=dict
  )
  seeds: Sequence[int] = (0,)
  panel: str = 'main'
  endpoints: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def cells(self) -> list[Cell]:
    """Returns all cells, those that do not train first.

    Raises:
      ConfigError: Something is empty or repeated, or an arm or an evaluation
        has a field that does not exist.
      UnknownNameError: There is no such mixture or task.
    """
    for name, values in (('holdouts', self.holdouts), ('seeds', self.seeds)):
      listed = isinstance(values, tuple | list)
      if not listed or len(set(values)) != len(values):
        raise ConfigError(f'study.{name} lists different values: {values!r}')
    for name in ('arms', 'holdouts', 'seeds'):
      if not getattr(self, name):
        raise ConfigError(f'study.{name} is empty')
    arms = {name: _arm(name, fields) for name, fields in self.arms.items()}
    found = [
      cell for name, arm in arms.items() for cell in self._cells_of(name, arm)
    ]
    for mixture in sorted({m for cell in found for m in cell.mixtures()}):
      names.resolve(mixture)
    return sorted(found, key=lambda cell: cell.train is not None)

  def _cells_of(self, name: str, arm: Arm) -> Iterator[Cell]:
    specs = self.evaluations if arm.evaluations is None else arm.evaluations
    specs = {
      label: _make(EvaluationSpec, f'evaluation {label!r}', fields)
      for label, fields in specs.items()
    }
    prompts = {
      label: _make(PromptSpec, f'prompts {label!r} of arm {name!r}', fields)
      for label, fields in arm.prompts.items()
    }
    if arm.train and arm.template_set:
      raise ConfigError(
        f'arm {name!r} trains, and template_set only applies to evaluations: '
        'use one or the other'
      )
    for holdout in self.holdouts:
      train = arm.train and arm.train.replace(_HOLDOUT, holdout)
      evaluations = tuple(
        CellEvaluation(label, s.mixture.replace(_HOLDOUT, holdout), s.settings)
        for label, s in specs.items()
        if s.holdouts is None or holdout in s.holdouts
      )
      tuned = tuple(
        CellPrompt(label, tuple(spec.tasks[holdout]), spec.settings)
        for label, spec in prompts.items()
        if holdout in spec.tasks
      )
      if not evaluations and not tuned:
        raise ConfigError(f'arm {name!r} is asked nothing under {holdout!r}')
      for seed in self.seeds if train else self.seeds[:1]:
        yield Cell(
          name,
          holdout,
          seed,
          train,
          arm.settings,
          tuple(arm.gin_files),
          arm.template_set,
          evaluations,
          tuned,
        )


def find_cells(cells: Sequence[Cell], wanted: Sequence[str]) -> list[Cell]:
  """Returns the cells of these names, all of them if none is named.

  Raises:
    ConfigError: There is no such cell; suggests the nearest.
  """
  by_name = {cell.name: cell for cell in cells}
  for name in wanted:
    if name not in by_name:
      raise ConfigError(f'no cell {name!r}{nearest(name, by_name)}')
  return [by_name[name] for name in wanted] or list(cells)


def _arm(name: str, fields: Mapping[str, Any]) -> Arm:
  if '/' in name or not name.strip() or not name.isprintable():
    raise ConfigError(
      f'arm {name!r}: a name has no slash, and is a text in one line'
    )
  return _make(Arm, f'arm {name!r}', fields)


def _make(kind: Any, what: str, fields: Mapping[str, Any]) -> Any:
  """Makes a dataclass from what a gin file says."""
  known = kinds_of(kind)
  for field, value in fields.items():
    if field not in known:
      raise ConfigError(f'{what} has no field {field!r}{nearest(field, known)}')
    check(f'{field} of {what}', known[field], value)
  for field in dataclasses.fields(kind):
    required = field.default is field.default_factory is dataclasses.MISSING
    if required and field.name not in fields:
      raise ConfigError(f'{what} lacks the field {field.name!r}')
  return kind(**fields)
