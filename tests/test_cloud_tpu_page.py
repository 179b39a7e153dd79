"""The commands of docs/cloud_tpu.md are commands."""

import pathlib
import re
import shlex
import subprocess

import gin
import pytest

from flan_jax import config
from flan_jax.flags import command_parser, parse_gin
from flan_jax.runs import launch
from tests.launching.launches import planned

_PAGE = pathlib.Path(__file__).resolve().parents[1] / 'docs/cloud_tpu.md'
_BLOCKS = re.findall(r'```sh\n(.*?)```', _PAGE.read_text(), re.DOTALL)
_COMMANDS = [
  shlex.split(line)
  for block in _BLOCKS
  for line in block.replace('\\\n', ' ').splitlines()
  if line.startswith('flan-jax ')
]


def _of(*names: str) -> list[list[str]]:
  return [words[1:] for words in _COMMANDS if words[1] in names]


def test_every_command_of_the_page_is_checked_here():
  checked = _of('launch', 'plan', 'cache', 'import', 'prepare', 'report')
  assert len(checked) == len(_COMMANDS) == 10


@pytest.mark.parametrize('block', _BLOCKS)
def test_blocks_are_shell(block):
  subprocess.run(['bash', '-n'], input=block, text=True, check=True)


@pytest.mark.parametrize('words', _of('launch'))
def test_launches_are_accepted(words, cli, monkeypatch):
  monkeypatch.setattr(launch, 'plan_in_process', planned)
  out = cli.check(*words)
  command = words[words.index('--') + 1 :]
  assert shlex.join(['flan-jax', *command, '--multiprocess']) in out


def test_settings_of_the_cache_are_accepted():
  (words,) = _of('cache')
  gin.clear_config()
  arguments, _ = parse_gin(command_parser('cache', ''), words[1:])
  config.prepare(arguments, 'cache')
  gin.clear_config()


def test_a_plan_is_accepted(cli):
  (words,) = _of('plan')
  cli.check(*words, '--dry_run')


@pytest.mark.parametrize(
  ('command', 'message'),
  [
    ('import', 'qwen3 is not a folder'),
    ('report', 'gs://my-flan/nli'),
  ],
)
def test_flags_are_known(command, message, cli, bucket):
  # They end where they would need the model or the bucket.
  (words,) = _of(command)
  code, _, error = cli(*words)
  assert code == 2 and message in error


@pytest.mark.parametrize('words', _of('prepare'))
def test_names_can_be_prepared(words, cli):
  cli.check(*words, '--dry_run')
