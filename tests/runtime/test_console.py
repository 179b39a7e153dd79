"""Answers go to a file, or alone to standard output."""

import subprocess
import sys

import pytest

from flan_jax.errors import ConfigError
from flan_jax.runtime.console import text_output

_PROGRAM = """
import os
from flan_jax.runtime.console import text_output
with text_output(None) as write:
  print('notice')
  os.system('echo child')
  write('answer')
print('after')
"""


def test_a_file_is_written(tmp_path):
  with text_output(str(tmp_path / 'a.jsonl')) as write:
    write('é\n')
  assert (tmp_path / 'a.jsonl').read_text(encoding='utf-8') == 'é\n'
  assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize('name', ['.', 'missing/a.jsonl'])
def test_a_file_that_cannot_be_written_is_refused(tmp_path, name):
  with pytest.raises(ConfigError, match='OUTPUT'):
    with text_output(str(tmp_path / name)):
      pass


def test_only_answers_go_to_standard_output():
  done = subprocess.run(
    [sys.executable, '-c', _PROGRAM], capture_output=True, text=True, check=True
  )
  assert done.stdout == 'answerafter\n'
  assert done.stderr.split() == ['notice', 'child']
