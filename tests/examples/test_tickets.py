"""The commands of `examples/tickets` run as its README shows them."""

import json
import re
import shlex
import shutil

import pytest

from tests.command_line import ROOT, SMALL

_EXAMPLE = ROOT / 'examples/tickets'


def _commands() -> list[list[str]]:
  """Returns the commands of the README, but the last, which takes long."""
  text = (_EXAMPLE / 'README.md').read_text(encoding='utf-8')
  lines = re.findall(r'^flan-jax (.+)$', text, re.MULTILINE)
  *commands, last = map(shlex.split, lines)
  assert '--gin_file=models/smollm2_135m.gin' in last
  return commands


def test_the_guide_shows_the_example(own_folder):
  text = (ROOT / 'docs/adding_a_task.md').read_text(encoding='utf-8')
  blocks = re.findall(r'```(?:python|sh)?\n(.*?)```', text, re.DOTALL)
  module = (_EXAMPLE / 'tickets.py').read_text(encoding='utf-8')
  (shown,) = (block for block in blocks if 'fj.dataset(' in block)
  assert shown.strip() in module
  (gin,) = (block for block in blocks if block.startswith('import tickets'))
  lines = (_EXAMPLE / 'tickets.gin').read_text(encoding='utf-8').split('\n')
  shared = set(gin.split('\n')) - {"MODEL_DIR = 'model'"}
  assert shared <= set(lines)
  # The line of test is one.
  shutil.copy(_EXAMPLE / 'tickets.csv', own_folder)
  exec(module, {})
  (line,) = (block for block in blocks if 'assert_dataset(' in block)
  exec(line, {})


@pytest.mark.slow
def test_the_commands_of_the_readme_run(own_folder, cli):
  for name in ('tickets.csv', 'tickets.py', 'tickets.gin'):
    shutil.copy(_EXAMPLE / name, own_folder)
  out = []
  for command, *flags in _commands():
    if command != 'inspect':
      # Later files and bindings win.
      flags += [*SMALL, '--gin.EVAL_EXAMPLES=0']
    if command == 'train':
      flags += ['--gin.TRAIN_STEPS=2', '--gin.EVAL_PERIOD=2']
    out.append(cli.check(command, *flags))
  assert 'columns: ticket "text"' in out[0]
  assert 'training on 1 subset' in out[2]
  for name in ('tickets', 'tickets.2shot'):
    path = own_folder / f'model/eval/{name}/results.json'
    (part,) = json.loads(path.read_text())['parts']
    assert part['rows'] == 10 and set(part['templates']) == {'0', '1'}
