"""A person at a terminal sees what fits it, in colours, and one clear error."""

import re

from tests.terminal.streams import on_terminal

_PROGRAM = """
from flan_jax import cli
assert cli.main(['inspect', '--data_dir={folder}']) == 0
assert cli.main(['train', '--gin_file=runs/train.gin', '--gin.SEDE=1']) == 2
"""
_COLOUR = re.compile(r'\x1b\[[0-9;]*m')


def test_commands_fit_a_terminal(tmp_path):
  _, written = on_terminal(_PROGRAM.format(folder=tmp_path / '[x]'))
  text = written.decode()
  lines = [_COLOUR.sub('', line).rstrip() for line in text.split('\r\n')]
  # Only a path or a URL may be longer: it is not broken.
  assert all(len(line) <= 80 or len(line.split()) == 1 for line in lines)
  assert any(str(tmp_path / '[x]') in line for line in lines)
  titles = next(line for line in lines if 'train rows' in line)
  end = titles.index('train rows') + len('train rows')
  (row,) = (line for line in lines if line.split()[:1] == ['rte'])
  assert row[:end].endswith(' 2,290')
  assert _COLOUR.search(text)
  error = 'flan-jax train: error: macro SEDE is set, but nothing reads it'
  assert f'\x1b[31m{error}; nearest: ' in text
