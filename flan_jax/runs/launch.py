"""`flan-jax launch`: runs a command on Cloud TPUs, GKE or SLURM."""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib
import shlex
import shutil
import subprocess

import gin

from flan_jax import config
from flan_jax.command_flags.launch_flags import make_parser
from flan_jax.errors import ConfigError, UserError
from flan_jax.flags import (
  MODULES,
  MULTIPROCESS,
  Arguments,
  command_parser,
  parse_gin,
)
from flan_jax.launching import targets
from flan_jax.launching.fit import check_fits, cost
from flan_jax.launching.job import Job, Launch
from flan_jax.launching.tpu_slices import TpuSlices
from flan_jax.planning.plan_worker import plan_in_process
from flan_jax.planning.request import PROGRAMS, Request
from flan_jax.planning.topology import Topology
from flan_jax.runs.plan import NoHardwareError, plan
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show

# Macros that name what must outlive the machines.
_LASTING = ('MODEL_DIR', 'CACHE_DIR')
_TRAINS = ('train',)


def main(argv: Sequence[str]) -> int:
  """Runs the command; returns the exit code of the last one that it starts.

  Raises:
    UserError: The command has a mistake, does not fit the hardware, or cannot
      be launched there.
  """
  argv = list(argv)
  split = argv.index('--') if '--' in argv else len(argv)
  flags, command = make_parser().parse_args(argv[:split]), argv[split + 1 :]
  arguments = _checked(flags, command)
  request = _request(arguments, flags.hardware, command[0])
  job = _job(flags, command, Topology.parse(request.topology))
  folder = pathlib.Path(user_path(flags.out or f'launch-{job.name}')).absolute()
  launch = _launch(flags, job, folder)
  if not flags.dry_run:
    _check_programs(launch)
  with Bar('planning'):
    planned = plan_in_process(request)
  fits = list(check_fits(planned))
  show([*fits, *cost(planned, flags.price_per_chip_hour, job.spot)])
  if flags.dry_run:
    show(_described(folder, launch))
    return 0
  return _run(folder, launch)


def _checked(flags: argparse.Namespace, command: list[str]) -> Arguments:
  """Checks the flags and settings of the command, as the command does.

  Raises:
    UserError: There is a mistake in them.
  """
  if not command or command[0] not in MULTIPROCESS:
    raise ConfigError(
      f'after --, name a command, which is one of {", ".join(MULTIPROCESS)}, '
      'as in `flan-jax launch slurm -- train --gin_file=…`'
    )
  name, *rest = command
  arguments, parsed = parse_gin(command_parser(name, ''), rest)
  if parsed.dry_run:
    raise ConfigError('--dry_run goes before --, to launch')
  if parsed.coordinator_address or parsed.process_count is not None:
    raise ConfigError(
      'machines of a launch find each other: leave out --coordinator_address, '
      '--process_count and --process_index'
    )
  config.prepare(arguments, MODULES.get(name, name))
  config.check_callable(MODULES.get(name, name))
  if flags.target != 'slurm':
    _check_reach(flags.target, arguments)
  return arguments


def _check_reach(target: str, arguments: Arguments) -> None:
  """Raises ConfigError for what only this machine has."""
  for macro in _LASTING:
    try:
      value = gin.query_parameter(f'{macro}/macro.value')
    except ValueError:  # It is not set.
      continue
    if isinstance(value, str) and is_local(value):
      raise ConfigError(
        f'{macro} is {value!r}, which ends with the machines of {target}: '
        f'name a bucket, as in --gin.{macro}=gs://BUCKET/FOLDER'
      )
  shipped = config.shipped_gin_dir()
  for file in arguments.gin_files:
    if not (shipped / file).is_file():
      raise ConfigError(
        f'--gin_file={file} is on this machine only: name shipped files, and '
        'settings as --gin.NAME=VALUE'
      )
  if arguments.template_set and user_path(arguments.template_set).exists():
    raise ConfigError(
      f'--template_set={arguments.template_set} is on this machine only'
    )


def _request(
  arguments: Arguments, hardware: str | None, command: str
) -> Request:
  """Returns what to plan, with the settings of the command."""
  gin.clear_config()
  files = ('runs/plan.gin', *arguments.gin_files)
  config.prepare(dataclasses.replace(arguments, gin_files=files), 'plan')
  override = {} if hardware is None else {'hardware': hardware}
  # Other commands do not update all parameters.
  programs = PROGRAMS if command in _TRAINS else PROGRAMS[1:]
  try:
    return plan(**override, programs=programs)
  except NoHardwareError as error:
    raise ConfigError(
      'no hardware to launch on: name it with --hardware=v5e:4x4 or a file, '
      'such as --gin_file=hardware/v5e_16.gin'
    ) from error


def _job(
  flags: argparse.Namespace, command: Sequence[str], topology: Topology
) -> Job:
  setup = flags.setup
  if setup is None:
    installs = flags.target == 'cloud_tpu'
    setup = targets.cloud_tpu_setup(flags.package) if installs else ':'
  several = topology.chips > 1
  if topology.is_tpu:
    several = TpuSlices.of(topology).processes > 1
  # A process that finds no others would otherwise run alone.
  if several and not {'--multiprocess', '--no-multiprocess'} & set(command):
    command = [*command, '--multiprocess']
  return Job(
    name=flags.name,
    command=tuple(command),
    topology=topology,
    setup=setup,
    spot=flags.spot,
    restarts=flags.restarts,
  )


def _launch(
  flags: argparse.Namespace, job: Job, folder: pathlib.Path
) -> Launch:
  if flags.target == 'cloud_tpu':
    if not flags.zone:
      raise ConfigError('cloud_tpu needs a zone, such as --zone=us-west4-a')
    return targets.cloud_tpu(
      job, flags.zone, flags.project, flags.service_account
    )
  if flags.target == 'gke':
    if not flags.image:
      raise ConfigError(
        'gke needs an image with flan_jax, such as '
        '--image=us-docker.pkg.dev/PROJECT/REPOSITORY/flan_jax'
      )
    return targets.gke(job, flags.image, flags.service_account)
  return targets.slurm(job, folder, flags.gpus_per_node, flags.sbatch)


def _check_programs(launch: Launch) -> None:
  """Raises ConfigError if a program that the launch needs is missing."""
  needed = [*launch.commands, *launch.afterwards.values()]
  for program in dict.fromkeys(command[0] for command in needed):
    if shutil.which(program) is None:
      raise ConfigError(
        f'{program} is not installed here: install it, or add --dry_run and '
        'run what is printed elsewhere'
      )


def _described(folder: pathlib.Path, launch: Launch) -> list[str]:
  lines = []
  for name, text in launch.files.items():
    lines += ['', f'# file {folder / name}', *text.rstrip('\n').split('\n')]
  lines += ['', f'# commands, in {folder}']
  lines += [shlex.join(command) for command in launch.commands]
  for what, command in launch.afterwards.items():
    lines += ['', f'# {what}', shlex.join(command)]
  return lines


def _run(folder: pathlib.Path, launch: Launch) -> int:
  try:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in launch.files.items():
      (folder / name).write_text(text, encoding='utf-8')
  except OSError as error:
    raise UserError(
      f'{folder} cannot be written ({error.strerror}): name another --out'
    ) from error
  for what, command in launch.afterwards.items():
    show([f'{what}: {shlex.join(command)}'])
  for command in launch.commands:
    show([shlex.join(command)])
    code = subprocess.run(command, cwd=folder, check=False).returncode
    if code:
      return code
  return 0
