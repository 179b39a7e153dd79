"""A study that is shown, run and collected."""

from collections.abc import Iterator, Sequence
import contextlib

from flan_jax.definitions import names
from flan_jax.runs.study_cell import CellRunner
from flan_jax.runtime.paths import appending
from flan_jax.studies import panels
from flan_jax.studies.archive import Archive
from flan_jax.studies.collect import study_json, write_study
from flan_jax.studies.costs import (
  Cost,
  cell_cost,
  evaluation_cost,
  matrix_table,
  training_cost,
)
from flan_jax.studies.design import Cell, StudyDesign
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Block

_LOGS = 'logs'


class StudyRun:
  """A study that is shown, run and collected."""

  def __init__(
    self,
    title: tuple[str, str],
    design: StudyDesign,
    runner: CellRunner,
    archive: Archive,
    hardware: str | None,
  ):
    """Initializes the run.

    Args:
      title: Name and size of the study.
      design: Its matrix.
      runner: Runs its cells.
      archive: Where results are.
      hardware: What the hours are estimated for; None for none.
    """
    self._name, self._size = title
    self._design, self._runner = design, runner
    self._archive, self._hardware = archive, hardware

  def matrix(self, cells: Sequence[Cell], dry_run: bool = False) -> list[Block]:
    """Returns the cells with their costs as a table.

    A dry run may be for hardware that is not here, on which nothing is opened.
    Then it does not say what is finished.
    """
    elsewhere = dry_run and self._hardware is not None
    lines, total, hours = [], Cost(), []
    for cell in cells:
      cost, time = self._cost(cell)
      total += cost
      hours.append(time)
      finished = None if elsewhere else self._runner.result(cell).finished
      lines.append((cell, cost, time, finished))
    return [matrix_table(lines), _total(total, hours, self._hardware)]

  def _cost(self, cell: Cell) -> tuple[Cost, float | None]:
    settings, _ = self._runner.settings(cell)
    model = settings.setup.model
    limits = [
      self._runner.settings(cell, e.settings)[0].evaluation.eval_config.max_rows
      for e in cell.evaluations
    ]
    cost = cell_cost(
      cell, model, settings.packing, settings.loop.train_steps, limits
    )
    for prompts in cell.prompts:
      settings, _ = self._runner.settings(cell, prompts.settings)
      steps = settings.loop.train_steps
      limit = settings.evaluation.eval_config.max_rows
      for plan in map(names.resolve, prompts.tasks):
        cost += training_cost(plan, model, settings.packing, steps)
        cost += evaluation_cost(plan, model, limit)
    return cost, cost.hours(self._hardware, model.compute_dtype)

  def execute(self, cells: Sequence[Cell]) -> None:
    """Runs cells one after the other; what is finished is not repeated."""
    # What another machine has finished needs no data here.
    open_ = [cell for cell in cells if not self._runner.result(cell).finished]
    self._runner.cache(open_)
    # The output of a cell goes to its log.
    with Bar('study', len(cells), 'cell') as bar:
      for cell in cells:
        with self._log(cell):
          self._runner.run(
            cell,
            lambda what, name=cell.name: bar.describe(f'{name} {what}'),
          )
        bar.update()

  @contextlib.contextmanager
  def _log(self, cell: Cell) -> Iterator[None]:
    folder = self._archive.folder / _LOGS
    folder.mkdir(parents=True, exist_ok=True)
    name = cell.name.replace('/', '-')
    path = folder / f'{self._name}-{self._size}-{name}.txt'
    with (
      appending(path) as file,
      contextlib.redirect_stdout(file),
      contextlib.redirect_stderr(file),
    ):
      yield

  def collect(self, cells: Sequence[Cell]) -> list[Block]:
    """Writes `study.json`; returns the tables of its panel."""
    results = [self._runner.result(cell) for cell in cells]
    entries = [result.as_json() for result in results]
    panel = panels.panel(self._design, results, entries)
    found = study_json(self._name, self._size, self._design, entries, panel)
    path = write_study(str(self._archive.folder), found)
    missing = [r.cell.name for r in results if not r.finished]
    note = [f'not finished: {", ".join(missing)}'] if missing else []
    return ['', *panels.tables(panel), *note, f'results: {path}']


def _total(cost: Cost, hours: Sequence[float | None], hardware) -> str:
  text = (
    f'all cells: {cost.tokens:,} training tokens, {cost.prompts:,} prompts, '
    f'{cost.flops / 1e15:,.3g} PFLOP'
  )
  if None in hours:
    return (
      f'{text}; hours are not estimated: HARDWARE is {hardware!r}, for which '
      'no rate is published in COMPUTE_DTYPE (add --gin_file=hardware/…)'
    )
  return f'{text}, about {sum(hours):,.1f} hours on {hardware}'
