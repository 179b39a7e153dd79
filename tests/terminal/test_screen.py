"""Lines, tables and errors fit a terminal, and are plain text elsewhere."""

import io
import sys

import pytest

from flan_jax.terminal.blocks import Line, Paragraph, Row, Table, plain
from flan_jax.terminal.screen import is_terminal, show, show_error
from tests.terminal.streams import Terminal


def _results() -> Table:
  """A table about as wide as those of evaluations."""
  line = {
    'metric': 'accuracy',
    'rows': '20 of 277',
    'mean': '55.1',
    '95 % interval': '[44.1, 66.0]',
    'best validation': '60.1',
    'template': '*t4',
    'top share': '80.0',
    'split': 'adapted: rows were divided into groups',
  }
  names = 'rte', 'opinion_abstracts_rotten_tomatoes.5shot'
  return Table.of(
    [{'part': name, **line} for name in names],
    optional=('top share', 'template', 'split', 'best validation', 'rows'),
  )


_TREE = Table(
  ('', 'rows', 'state'),
  [
    Row(['nli (1)'], 'bold'),
    Row(['  rte', '2,490', 'manual'], note=Paragraph('download ' * 20, '    ')),
  ],
  frozenset((0, 2)),
  ruled=False,
)
_BLOCKS = [
  Line('flan_eval_nli, in percent:', 'bold'),
  _results(),
  '',
  _TREE,
  Paragraph('a word and ' * 40, '  '),
  'reasons that take more than one line: ' + 'because ' * 30,
]


@pytest.fixture
def terminal(monkeypatch):
  """Makes standard output and standard error a terminal of some columns."""

  def make(columns: int) -> Terminal:
    stream = Terminal()
    monkeypatch.setenv('COLUMNS', str(columns))
    monkeypatch.setenv('TERM', 'xterm-256color')
    monkeypatch.delenv('NO_COLOR', raising=False)
    monkeypatch.setattr(sys, 'stdout', stream)
    monkeypatch.setattr(sys, 'stderr', stream)
    return stream

  return make


@pytest.mark.parametrize('columns', [40, 80, 120, 200])
def test_nothing_is_wider_than_the_terminal(terminal, columns):
  stream = terminal(columns)
  show(_BLOCKS)
  assert max(map(len, stream.lines)) <= columns
  assert '\x1b[1m' in stream.getvalue()
  text = ' '.join(stream.lines)
  # No number is broken, and what is left out is named.
  assert '[44.1, 66.0]' in text and '2,490' in text
  assert ('80.0' in text) != ('narrow: ' in text)
  assert text.count('because') == 30 + ('narrow: ' in text)


def test_a_wide_terminal_shows_all_columns_and_numbers_to_the_right(terminal):
  stream = terminal(200)
  show([_results()])
  titles, _, *rows = stream.lines[:4]
  assert titles.split()[:3] == ['part', 'metric', 'rows']
  for title, cell in (('best validation', '60.1'), ('template', '*t4')):
    end = titles.index(title) + len(title)
    assert all(row[:end].endswith(cell) for row in rows)
  assert 'narrow' not in stream.getvalue()


def test_columns_are_left_out_in_their_order(terminal):
  stream = terminal(100)
  show([_results()])
  titles = stream.lines[0] + stream.lines[1]
  assert 'top share' not in titles and 'metric' in titles and 'mean' in titles
  note = ' '.join(stream.lines).partition('narrow: ')[2]
  assert 'top share' in note and 'mean' not in note


def test_names_and_paths_are_no_markup(terminal):
  stream = terminal(60)
  path = '/data/[red]x[/red]/' + 'long/' * 20
  show([f'see {path}', Table.of([{'part': '[bold]rte', 'x': ':smile:'}])])
  show_error('flan-jax eval: error: no [folder] /a[/b]')
  assert f'    {path}' in stream.lines
  assert '[bold]rte  :smile:' in stream.lines
  assert 'flan-jax eval: error: no [folder] /a[/b]' in stream.lines


def test_an_error_is_red_and_breaks_no_word(terminal):
  stream = terminal(40)
  text = f'flan-jax eval: error: {"a long reason " * 10}in /a/{"path/" * 20}'
  show_error(text)
  assert ' '.join(stream.lines).split() == text.split()
  assert stream.getvalue().count('\x1b[31m') == len(stream.lines) - 1


@pytest.mark.parametrize('name, value', [('NO_COLOR', '1'), ('TERM', 'dumb')])
def test_plain_text_can_be_asked_for(terminal, monkeypatch, name, value):
  stream = terminal(40)
  monkeypatch.setenv(name, value)
  show(_BLOCKS)
  show_error('error')
  assert stream.getvalue() == f'{plain(_BLOCKS)}\nerror\n'


def test_pipes_get_plain_text(monkeypatch):
  stream = io.StringIO()
  monkeypatch.setattr(sys, 'stdout', stream)
  show(_BLOCKS)
  show([])
  assert stream.getvalue() == f'{plain(_BLOCKS)}\n'


def test_a_closed_stream_is_no_terminal():
  stream = Terminal()
  stream.close()
  assert not is_terminal(stream)
