"""`flan-jax study`: runs one of the paper's experiments, or one of your own."""

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import os
import shlex
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax import flags
from flan_jax.command_flags.study_flags import make_parser
from flan_jax.errors import ConfigError
from flan_jax.flags import Arguments
from flan_jax.runs.study_cell import CellRunner
from flan_jax.runs.study_run import StudyRun
from flan_jax.setting_types import Seed, Text
from flan_jax.studies import panels
from flan_jax.studies.archive import Archive
from flan_jax.studies.design import Cell, StudyDesign, find_cells
from flan_jax.terminal.screen import show


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
  parser = make_parser()
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
