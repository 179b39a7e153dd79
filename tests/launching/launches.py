"""Jobs, their files, and programs that stand for those of clusters."""

import os
import pathlib
import subprocess
import textwrap

from flan_jax.launching import targets
from flan_jax.launching.job import Job, Launch
from flan_jax.planning.topology import Topology

# What shells, YAML and Kubernetes would change if they were let.
NASTY = (
  '--gin.STOP=["a b", \'c\']',
  '$HOME $(id) `id` $$ ${X}',
  'two\nlines\n\n  indented',
  'back\\slash "quoted" it\'s #no {{comment}} {% x %}',
  'Übersetzung – 日本語 \u2028 \x85',
  '*?[a-z] ~ ! && || ; > file',
  '',
  '%PROMPT',
)


def planned(request, needed=1, simulated=False):
  """Returns a plan of a run that needs some GiB of 16, without compiling."""
  kinds = {'parameters': needed << 30, 'workspace': 100 << 30}
  program = {
    'fits': False,
    'memory': kinds,
    'needed_bytes': needed << 30,
    'memory_bytes': 16 << 30,
  }
  return {
    'topology': request.topology,
    'simulated': simulated,
    'proposals': [
      {'name': 'fewer', 'needed_bytes': {}, 'settings': {'MICROBATCHES': 4}}
    ],
    'run': {'steps': 100, 'hours': [1, 2], 'chip_hours': [16.0, 32.0]},
    **{name: dict(program) for name in request.programs},
  }


def job(*flags: str, hardware: str = 'v5e:4x4', **settings) -> Job:
  settings = {'setup': ':', 'spot': True, 'restarts': 3, **settings}
  return Job('flan', ('train', *flags), Topology.parse(hardware), **settings)


def launches(*flags: str, **settings) -> dict[str, Launch]:
  """Returns a launch on each target."""
  folder = pathlib.Path('/shared/a folder')
  gpus = job(*flags, **{**settings, 'hardware': 'h100:16'})
  options = ['time=24:00:00', 'partition=gpu']
  return {
    'cloud_tpu': targets.cloud_tpu(
      job(*flags, **settings), 'us-west4-a', 'project', 'me@project.example'
    ),
    'gke': targets.gke(job(*flags, **settings), 'image:tag', 'trainer'),
    'slurm': targets.slurm(gpus, folder, 8, options),
  }


class Programs:
  """A folder of programs that shell scripts find first, and their calls."""

  def __init__(self, folder: pathlib.Path):
    self.folder = folder
    self.environment = {
      **os.environ,
      'PATH': f'{folder}:{os.environ["PATH"]}',
      'STATE': str(folder),
    }
    # The scripts wait for clusters.
    self.add('sleep', 'exit 0')

  def add(self, name: str, script: str) -> None:
    """Adds a program, which notes how it was called and runs a script."""
    path = self.folder / name
    text = textwrap.dedent(script)
    path.write_text(
      f'#!/usr/bin/env bash\necho "{name} $*" >> "$STATE/calls"\n{text}\n'
    )
    path.chmod(0o755)

  def calls(self, name: str) -> list[str]:
    lines = (self.folder / 'calls').read_text().splitlines()
    return [line for line in lines if line.startswith(f'{name} ')]

  def start(self, script: pathlib.Path) -> subprocess.Popen:
    return subprocess.Popen(
      ['bash', str(script)],
      cwd=script.parent,
      env=self.environment,
      stdout=subprocess.PIPE,
      stderr=subprocess.STDOUT,
      text=True,
    )
