"""`flan-jax launch` from its flags on; nothing is compiled or started."""

import shlex

import pytest

from flan_jax.planning.request import PROGRAMS
from flan_jax.runs import launch
from tests.command_line import SMALL
from tests.launching.launches import planned

_TRAIN = (
  'train',
  *SMALL,
  '--gin_file=runs/train.gin',
  '--gin_file=hardware/v5e_16.gin',
  '--gin.MIXTURE_OR_TASK_NAME=rte',
)
_BUCKET = ('--gin.MODEL_DIR=gs://mine/run', '--gin.CACHE_DIR=gs://mine/cache')
_TPU = ('launch', 'cloud_tpu', '--dry_run', '--zone=us-west4-a')
_SLURM = ('launch', 'slurm', '--dry_run', '--hardware=h100:4')
_LOCAL = (*_SLURM, '--', *_TRAIN[:-2], _TRAIN[-1], '--gin.MODEL_DIR=run')


@pytest.fixture
def plans(monkeypatch):
  """Requests for plans, which `answer` answers."""
  seen, settings = [], {}

  def answer(request):
    seen.append(request)
    return planned(request, **settings)

  monkeypatch.setattr(launch, 'plan_in_process', answer)
  return seen, settings


def test_a_dry_run_prints_files_commands_and_cost(cli, plans):
  out = cli.check(*_TPU, '--spot', '--', *_TRAIN, *_BUCKET)
  assert 'train needs 1.00 of 16.00 GiB a device' in out
  assert 'estimated: 1.0 to 2.0 hours, 16.0 to 32.0 chip-hours' in out
  assert 'cost: 19.20 to 38.40 US dollars, 1.20 for a chip' in out
  assert 'read in November 2026; spot machines cost less' in out.replace(
    '\n', ' '
  )
  assert '/launch-flan/cloud_tpu.sh' in out and '/launch-flan/host.sh' in out
  command = shlex.join(['flan-jax', *_TRAIN, *_BUCKET, '--multiprocess'])
  assert f'\n{command} &\n' in out
  assert '\nbash cloud_tpu.sh\n' in out
  assert not list(cli.folder.iterdir())
  (request,) = plans[0]
  assert (request.topology, request.programs) == ('v5e:4x4', PROGRAMS)
  assert request.mesh.model == 4


def test_one_machine_looks_for_no_others(cli, plans):
  out = cli.check(*_TPU, '--hardware=v5e:2x4', '--', *_TRAIN, *_BUCKET)
  assert '--multiprocess' not in out


def test_a_price_of_ones_own_replaces_the_listed_one(cli, plans):
  out = cli.check(*_TPU, '--price_per_chip_hour=0.5', '--', *_TRAIN, *_BUCKET)
  assert 'cost: 8.00 to 16.00 US dollars, 0.50 for a chip and hour (as' in out


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'needed': 17}, 'train needs 17.00 of 16.00 GiB a device of v5e:4x4, so'),
    ({'needed': 17, 'simulated': True}, 'train needs at least 17.00 of 16.00'),
  ],
)
def test_what_does_not_fit_is_refused(settings, message, cli, plans):
  plans[1].update(settings)
  code, out, error = cli(*_TPU, '--', *_TRAIN, *_BUCKET)
  assert code == 2 and out == ''
  assert message in error and 'this would: --gin.MICROBATCHES=4' in error


def test_only_what_a_simulation_counts_exactly_is_held_against_a_run(
  cli, plans
):
  plans[1].update(simulated=True)
  out = cli.check(*_TPU, '--', *_TRAIN, *_BUCKET)
  assert 'train needs at least 1.00 of 16.00 GiB' in out


def test_a_launch_writes_its_files_and_runs_its_commands(
  cli, plans, monkeypatch
):
  programs = cli.folder / 'programs'
  programs.mkdir()
  for name in ('sbatch', 'squeue', 'scancel'):
    (programs / name).write_text(f'#!/bin/sh\necho {name} "$@" > called\n')
    (programs / name).chmod(0o755)
  monkeypatch.setenv('PATH', f'{programs}:/usr/bin:/bin')
  out = cli.check(*(flag for flag in _LOCAL if flag != '--dry_run'))
  folder = cli.folder / 'launch-flan'
  assert {path.name for path in folder.iterdir()} == {
    'called',
    'host.sh',
    'slurm.sh',
  }
  called = (folder / 'called').read_text()
  assert called == f'sbatch --chdir={cli.folder} slurm.sh\n'
  assert f'bash {folder / "host.sh"} &' in (folder / 'slurm.sh').read_text()
  assert 'end it: scancel --name=flan' in out


_AFTER = {
  'no command': [],
  'another command': ['report', 'run'],
  'a wrong flag': [*_TRAIN, *_BUCKET, '--gni_file=x'],
  'a wrong setting': [*_TRAIN, *_BUCKET, '--gin.TRAIN_STEPS=many'],
  'a folder that is lost': [*_TRAIN, _BUCKET[0], '--gin.CACHE_DIR=cache'],
  'a file that is here only': [*_TRAIN, *_BUCKET, '--gin_file=own.gin'],
  'a dry run of the command': [*_TRAIN, *_BUCKET, '--dry_run'],
  'addresses': [*_TRAIN, *_BUCKET, '--process_count=2'],
  'no hardware': [*_TRAIN[:-2], _TRAIN[-1], *_BUCKET],
}
_MESSAGES = {
  'no command': 'after --, name a command, which is one of train, ',
  'another command': 'after --, name a command, which is one of train, ',
  'a wrong flag': "unknown flag '--gni_file=x', see flan-jax train --help",
  'a wrong setting': 'TRAIN_STEPS',
  'a folder that is lost': "CACHE_DIR is 'cache', which ends with the machines",
  'a file that is here only': '--gin_file=own.gin is on this machine only',
  'a dry run of the command': '--dry_run goes before --',
  'addresses': 'machines of a launch find each other',
  'no hardware': 'no hardware to launch on: name it with --hardware=v5e:4x4',
}


@pytest.mark.parametrize('mistake', _AFTER)
def test_mistakes_in_the_command_are_named(mistake, cli, plans):
  (cli.folder / 'own.gin').write_text('')
  code, out, error = cli(*_TPU, '--', *_AFTER[mistake])
  assert (code, out) == (2, '')
  assert _MESSAGES[mistake] in error
  assert plans[0] == []


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    (('cloud_tpu', '--dry_run'), 'cloud_tpu needs a zone'),
    (('gke', '--dry_run'), 'gke needs an image'),
    (('slurm', '--dry_run'), 'v5e:4x4 is a TPU: launch on cloud_tpu or gke'),
    (('cloud', '--dry_run'), "invalid choice: 'cloud'"),
    ((*_TPU[1:], '--name=My run'), "--name='My run' must have 1 to 40"),
    ((*_TPU[1:], '--restarts=-1'), '--restarts'),
    ((*_TPU[1:], '--hardware=v5e-16'), "topology 'v5e-16' is not of the form"),
    ((*_TPU[1:], '--price_per_chip_hour=nan'), "'nan' is not a price"),
    (('cloud_tpu', '--zone=a'), 'gcloud is not installed here'),
  ],
)
def test_mistakes_in_the_launch_are_named(
  flags, message, cli, plans, monkeypatch
):
  found = {'bash': '/bin/bash'}
  monkeypatch.setattr(launch.shutil, 'which', found.get)
  code, out, error = cli('launch', *flags, '--', *_TRAIN, *_BUCKET)
  assert (code, out) == (2, '')
  assert message in error
  assert plans[0] == [] and not list(cli.folder.iterdir())
