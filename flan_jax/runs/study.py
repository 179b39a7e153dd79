"""`flan-jax study`: runs one of the paper's experiments, or one of your own."""

from collections.abc import Iterator, Mapping, Sequence
import contextlib
import dataclasses
import os
import shlex
import sys
from typing import Any

import gin
import tqdm

from flan_jax import config as config_lib
from flan_jax import flags
from flan_jax.errors import ConfigError
from flan_jax.evaluation.table import layout
from flan_jax.flags import Arguments
from flan_jax.runs.study_cell import CellRunner
from flan_jax.runtime.paths import user_path
from flan_jax.studies import panels
from flan_jax.studies.archive import Archive
from flan_jax.studies.collect import CellResult, study_json, write_study
from flan_jax.studies.costs import Cost, cell_cost, matrix_table
from flan_jax.studies.design import Cell, StudyDesign, find_cells

SIZES = ('smoke', 'small', 'paper')
_LOGS = 'logs'


@gin.configurable(module='flan_jax')
def study(
  arms: Mapping[str, Mapping[str, Any]],
  holdouts: Sequence[str],
  evaluations: Mapping[str, Mapping[str, Any]],
  seeds: Sequence[int] = (0,),
  panel: str = 'main',
  endpoints: Mapping[str, Any] | None = None,
  hardware: str | None = None,
) -> tuple[StudyDesign, str | None]:
  """Returns the design that gin files declare, and the hardware to estimate."""
  design = StudyDesign(
    arms, holdouts, evaluations, seeds, panel, endpoints or {}
  )
  return design, hardware


def main(argv: Sequence[str]) -> int:
  """Runs the command; returns its exit code."""
  parser = _parser()
  arguments, parsed = flags.parse_gin(parser, argv)
  if arguments.template_set:
    raise ConfigError('a study names the template sets of its arms in gin')
  arguments = _with_files(arguments, parsed.name, parsed.size)
  config_lib.prepare(arguments, 'study')
  design, hardware = study()
  panels.check(design)
  archive = Archive(parsed.study_dir, parsed.others)
  run = StudyRun(parsed.name, parsed.size, design, arguments, archive, hardware)
  cells = find_cells(design.cells(), parsed.cell)
  if parsed.print_commands:
    print('\n'.join(run.commands(cells, parsed.study_dir)))
    return 0
  print(run.matrix(cells), flush=True)
  if parsed.dry_run:
    return 0
  run.execute(cells)
  if parsed.cell:
    print('run the study without --cell to collect its results')
  else:
    print(run.collect(cells))
  return 0


def _parser() -> flags.FlagParser:
  parser = flags.FlagParser('study', 'run an experiment of the paper')
  parser.add_argument(
    'name', help='a file of gin/experiments without .gin, such as main'
  )
  parser.add_argument(
    '--size',
    choices=SIZES,
    default='smoke',
    help='smoke: minutes on a CPU, shows that it runs; small: a model of 135 '
    "million parameters on your data; paper: the paper's (default: smoke)",
  )
  parser.add_argument(
    '--study_dir',
    default='studies',
    help='folder of all results, which studies share (default: studies)',
  )
  parser.add_argument(
    '--from',
    dest='others',
    metavar='STUDY_DIR',
    action='append',
    default=[],
    help='also read what is finished there; may be repeated',
  )
  parser.add_argument(
    '--cell',
    action='append',
    default=[],
    metavar='ARM/HOLDOUT/SEED',
    help='run only this cell; may be repeated',
  )
  parser.add_argument(
    '--print_commands',
    action='store_true',
    help='print one command for each cell, to run in any order and anywhere',
  )
  parser.add_gin_flags()
  return parser


def _with_files(arguments: Arguments, name: str, size: str) -> Arguments:
  """Puts the files of a study before those of the user."""
  files = ['runs/study.gin', f'experiments/sizes/{size}.gin']
  files.append(f'experiments/{name}.gin')
  of_size = f'experiments/{name}.{size}.gin'
  paths = ['', str(config_lib.shipped_gin_dir()), *arguments.search_paths]
  if any(os.path.isfile(os.path.join(path, of_size)) for path in paths):
    files.append(of_size)
  return dataclasses.replace(
    arguments, gin_files=(*files, *arguments.gin_files)
  )


class StudyRun:
  """A study that is shown, run and collected."""

  def __init__(
    self,
    name: str,
    size: str,
    design: StudyDesign,
    arguments: Arguments,
    archive: Archive,
    hardware: str | None,
  ):
    self._name, self._size, self._design = name, size, design
    self._arguments, self._archive = arguments, archive
    self._runner = CellRunner(arguments, archive)
    self._hardware = hardware

  def commands(self, cells: Sequence[Cell], study_dir: str) -> list[str]:
    """Returns one command for each cell."""
    own = self._arguments
    given = dataclasses.replace(
      own, gin_files=own.gin_files[len(_with_files(Arguments(), self._name, self._size).gin_files):]
    )
    return [
      shlex.join(
        [
          'flan-jax',
          'study',
          self._name,
          f'--size={self._size}',
          f'--study_dir={study_dir}',
          f'--cell={cell.name}',
          *given.flags(),
        ]
      )
      for cell in cells
    ]

  def matrix(self, cells: Sequence[Cell]) -> str:
    """Returns the cells with their costs as a table."""
    lines, total, hours = [], Cost(), []
    for cell in cells:
      cost, time = self._cost(cell)
      total += cost
      hours.append(time)
      lines.append((cell, cost, time, self._runner.result(cell).finished))
    text = layout(matrix_table(lines))
    return f'{text}\n{_total(total, hours, self._hardware)}'

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
    return cost, cost.hours(self._hardware, model.compute_dtype)

  def execute(self, cells: Sequence[Cell]) -> None:
    """Runs cells one after the other; what is finished is not repeated."""
    self._runner.cache(cells)
    # The output of a cell goes to its log.
    with tqdm.tqdm(total=len(cells), unit='cell', file=sys.stderr) as bar:
      for cell in cells:
        with self._log(cell):
          self._runner.run(
            cell,
            lambda what, name=cell.name: bar.set_description(f'{name} {what}'),
          )
        bar.update()

  @contextlib.contextmanager
  def _log(self, cell: Cell) -> Iterator[None]:
    folder = user_path(self._archive.folder) / _LOGS
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{self._name}-{self._size}-{cell.name.replace("/", "-")}'
    with (
      open(f'{path}.txt', 'a', encoding='utf-8') as file,
      contextlib.redirect_stdout(file),
      contextlib.redirect_stderr(file),
    ):
      yield

  def collect(self, cells: Sequence[Cell]) -> str:
    """Writes `study.json`; returns the tables of its panel."""
    results = [self._runner.result(cell) for cell in cells]
    panel = panels.panel(self._design, results)
    entries = [result.as_json() for result in results]
    found = study_json(self._name, self._size, self._design, entries, panel)
    path = write_study(str(self._archive.folder), found)
    missing = [r.cell.name for r in results if not r.finished]
    note = f'\nnot finished: {", ".join(missing)}' if missing else ''
    return f'\n{panels.text(panel)}{note}\nresults: {path}'


def _total(cost: Cost, hours: Sequence[float | None], hardware) -> str:
  text = (
    f'all cells: {cost.tokens:,} training tokens, {cost.prompts:,} prompts, '
    f'{cost.flops / 1e15:,.3g} PFLOP'
  )
  if None in hours:
    return (
      f'{text}; hours are not estimated: no rate is published for HARDWARE '
      f'{hardware!r} (add --gin_file=hardware/…)'
    )
  return f'{text}, about {sum(hours):,.1f} hours on {hardware}'
