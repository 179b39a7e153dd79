"""Bars show amount, rate and time left, and leave lines as they are."""

import pytest

from flan_jax.terminal import bar as bar_lib
from flan_jax.terminal.bar import Bar
from tests.terminal.streams import on_terminal

_PROGRAM = """
import sys, time
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show
print('before')
with Bar('evaluating [flan]_eval', 40, 'example') as bar:
  for step in range(40):
    time.sleep(0.02)
    bar.update()
    if step == 10:
      print('printed')
      show(['shown'])
      bar.log('logged')
      print('a warning', file=sys.stderr)
print('after')
"""


@pytest.fixture
def clock(monkeypatch):
  """A clock that is set by hand."""

  class Clock:
    now = 100.0

    def monotonic(self) -> float:
      return self.now

  clock = Clock()
  monkeypatch.setattr(bar_lib, 'time', clock)
  return clock


def test_a_bar_vanishes_and_lines_stay():
  shown, written = on_terminal(_PROGRAM)
  printed = ['before', 'printed', 'shown', 'logged', 'a warning', 'after']
  assert shown == printed
  text = written.decode()
  assert 'evaluating [flan]_eval' in text and '40/40' in text
  assert ' examples/s' in text and ' left' in text


def test_output_to_a_file_does_not_go_to_the_terminal(tmp_path):
  with (tmp_path / 'out').open('w') as file:
    shown, written = on_terminal(_PROGRAM, stdout=file)
  assert shown == ['a warning']
  assert b'40/40' in written
  lines = (tmp_path / 'out').read_text().splitlines()
  assert lines == ['before', 'printed', 'shown', 'logged', 'after']


def test_a_bar_fits_a_narrow_terminal():
  shown, written = on_terminal(_PROGRAM, columns=40)
  assert shown[-1] == 'after'
  # A bar that is too wide would be on several lines, and not vanish.
  assert not any('/40' in line for line in shown)
  assert '…'.encode() in written


@pytest.mark.parametrize('name, value', [('NO_COLOR', '1'), ('TERM', 'dumb')])
def test_no_bar_where_plain_text_is_asked_for(name, value):
  _, written = on_terminal(_PROGRAM, **{name: value})
  assert b'\x1b' not in written
  assert b'evaluating [flan]_eval 40/40, ' in written


def test_a_bar_may_leave_its_last_state():
  program = _PROGRAM.replace("'example')", "'example', keeps=True)")
  shown, _ = on_terminal(program)
  assert shown[-2].startswith('evaluating [flan]_eval 40/40, ')
  assert shown[-1] == 'after'


def test_lines_replace_the_bar_in_a_log(capsys, clock):
  with Bar('caching', 3000, 'row', done=1000) as bar:
    for _ in range(4):
      clock.now += 20
      bar.update(500)
  error = capsys.readouterr().err
  # No line in the first 30 seconds; the last one when it ends.
  assert error.splitlines() == [
    'caching 2000/3000, 25.0 rows/s, 0:00:40 left',
    'caching 3000/3000, 25.0 rows/s, 0:01:20',
  ]


def test_what_is_found_at_once_does_not_count_in_the_rate(capsys, clock):
  with Bar('evaluating', 1000, 'example') as bar:
    bar.update(0)
    clock.now += 20
    bar.update(900)
    clock.now += 50
    bar.update(5)
  line = capsys.readouterr().err.splitlines()[-1]
  assert line == 'evaluating 905/1000, 10.0 s/example, 0:15:50 left'


def test_bytes_have_units(capsys, clock):
  with Bar('searching', 4_000_000_000, 'byte') as bar:
    bar.update(1_000_000_000)
    clock.now += 10
    bar.update(1_000_000_000)
  line = capsys.readouterr().err.splitlines()[-1]
  assert line == 'searching 2.0 GB of 4.0 GB, 100.0 MB/s, 0:00:20 left'


def test_only_one_process_shows_a_bar(capsys):
  with Bar('step', 3, enabled=False) as bar:
    bar.update()
    bar.log('a line')
  assert capsys.readouterr() == ('', '')
  assert bar.done == 1


def test_the_last_notes_give_way_to_the_terminal():
  bar = Bar('step', 30_000, done=120)
  bar.note('loss 1.500', '12,346 tokens/s', 'matmul share 41.2 %')
  assert bar._middle(120) == ', '.join(bar.notes)
  assert bar._middle(80) == 'loss 1.500, 12,346 tokens/s'
  assert bar._middle(60) == 'loss 1.500'
