"""`flan-jax study`: runs one of the paper's experiments, or one of your own."""

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import functools
import os
import shlex
from typing import Any

import gin

from flan_jax import command_help, flags
from flan_jax import config as config_lib
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.runs.study_cell import CellRunner
from flan_jax.runs.study_run import StudyRun
from flan_jax.setting_types import Seed, Text
from flan_jax.studies import panels
from flan_jax.studies.archive import Archive
from flan_jax.studies.design import Cell, StudyDesign, find_cells
from flan_jax.terminal.screen import show

SIZES = ('smoke', 'small', 'paper')


@gin.configurable(module='flan_jax')
def study(
  arms: Mapping[str, Mapping[str, Any]],
  holdouts: Sequence[str],
  evaluations: Mapping[str, Mapping[str, Any]],
  seeds: Sequence[Seed] = (0,),
  panel: Text = 'main',
  endpoints: Mapping[str, Any] | None = None,
  hardware: Text | None = None,
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
  given = arguments.flags()
  arguments = _with_files(arguments, parsed.name, parsed.size)
  config_lib.prepare(arguments, 'study')
  design, hardware = study()
  panels.check(design)
  archive = Archive(parsed.study_dir, parsed.others)
  cells = find_cells(design.cells(), parsed.cell)
  if parsed.print_commands:
    for cell in cells:
      print(_command(cell, parsed, given))
    return 0
  title, runner = (parsed.name, parsed.size), CellRunner(arguments, archive)
  run = StudyRun(title, design, runner, archive, hardware)
  show(run.matrix(cells, parsed.dry_run))
  if parsed.dry_run:
    return 0
  run.execute(cells)
  if parsed.cell:
    show(['run the study without --cell to collect its results'])
  else:
    show(run.collect(cells))
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
  parser.more_help = functools.partial(command_help.macros_of, 'study')
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


def _command(
  cell: Cell, parsed: argparse.Namespace, given: Sequence[str]
) -> str:
  """Returns the command that runs one cell."""
  return shlex.join(
    [
      *('flan-jax', 'study', parsed.name, f'--size={parsed.size}'),
      f'--study_dir={parsed.study_dir}',
      f'--cell={cell.name}',
      *given,
    ]
  )
