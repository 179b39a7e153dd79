"""Shows blocks on standard output, and errors."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import os
import re
import sys
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from flan_jax.terminal.blocks import (
  Block,
  Line,
  Paragraph,
  Row,
  Table,
  plain,
  wrapped,
)

_GAP = 2
# Longer lines of prose are hard to read.
_PROSE = 100
# A column of text is not made narrower than its words, or than this.
_LEAST_TEXT = 44
_BROKEN = 6
# Numbers may be '20 of 277', '*t4' or '+0.1 to +0.3'.
_WORD = re.compile(r'[^\W\d_]{3}')

# Consoles that show a bar.
_bars: list[Console] = []


def is_terminal(stream: TextIO) -> bool:
  """Returns whether a person looks at a stream that shows colours.

  It is not if NO_COLOR is set or TERM is 'dumb': plain text is asked for.
  """
  if os.environ.get('NO_COLOR') or os.environ.get('TERM') in (
    'dumb',
    'unknown',
  ):
    return False
  return not stream.closed and stream.isatty()


def console_for(stream: TextIO) -> Console:
  """Returns a console for a terminal; texts on it have no markup."""
  # The stream as it is now; rich would look it up again whenever it prints.
  return Console(
    file=stream, force_terminal=True, markup=False, highlight=False, emoji=False
  )


@contextlib.contextmanager
def above(console: Console) -> Iterator[None]:
  """Has `show` print above the bar of a console, in this context."""
  _bars.append(console)
  try:
    yield
  finally:
    _bars.remove(console)


def show(blocks: Iterable[Block]) -> None:
  """Prints blocks to standard output, as wide as a terminal is.

  Where standard output is no terminal, prints the plain text.
  """
  blocks = list(blocks)
  if not is_terminal(sys.stdout):
    if blocks:
      print(plain(blocks), flush=True)
    return
  console = _bars[-1] if _bars else console_for(sys.stdout)
  for block in blocks:
    for part in rendered(block, console.width):
      console.print(part, soft_wrap=isinstance(part, Text))
  sys.stdout.flush()


def show_error(text: str) -> None:
  """Prints a line to standard error; red on a terminal."""
  note(text, 'red')


def note(text: str, style: str = '') -> None:
  """Prints a line to standard error."""
  if not is_terminal(sys.stderr):
    print(text, file=sys.stderr, flush=True)
    return
  console = console_for(sys.stderr)
  for part in rendered(Line(text, style), console.width):
    console.print(part, soft_wrap=True)


def rendered(block: Block, width: int) -> Iterator[RenderableType]:
  """Yields a block for a terminal of some columns.

  Only a word that is longer than the terminal is wider than it: paths and
  commands can be copied.
  """
  if isinstance(block, Table):
    yield from _table(block, width)
  elif isinstance(block, Paragraph):
    for line in wrapped(block.text, block.indent, min(width, _PROSE)):
      yield Text(line, block.style)
  else:
    line = block if isinstance(block, Line) else Line(block)
    for text in line.text.split('\n'):
      for piece in _folded(text, width):
        yield Text(piece, line.style)


def _folded(text: str, width: int) -> list[str]:
  """Returns a line, with what does not fit below it and indented more."""
  if cell_len(text) <= width:
    return [text]
  indent = ' ' * (len(text) - len(text.lstrip()) + 4)
  first = wrapped(text.strip(), indent[4:], width)[0]
  rest = text[len(first) :].strip()
  return [first, *wrapped(rest, indent, width)]


def _table(table: Table, width: int) -> Iterator[RenderableType]:
  """Yields a table in as many columns as fit, and the names of the others."""
  shown, widths = _fit(table, width)
  rows: list[Row] = []
  first = True

  def drawn() -> RichTable:
    made = _drawn(table, shown, widths, rows, titles=first)
    rows.clear()
    return made

  for row in table.rows:
    rows.append(row)
    if row.note is not None and row.note.text:
      yield drawn()
      first = False
      yield from rendered(row.note, width)
  if rows:
    yield drawn()
  left_out = [t for n, t in enumerate(table.titles) if n not in shown]
  if left_out:
    note = f'left out, because the terminal is narrow: {", ".join(left_out)}'
    yield from rendered(Paragraph(note, style='dim'), width)


def _fit(table: Table, width: int) -> tuple[list[int], dict[int, int]]:
  """Returns the columns to show, and the width of each."""
  whole, least, numbers = {}, {}, set()
  for n, title in enumerate(table.titles):
    cells = [row.cells[n] for row in table.rows if n < len(row.cells)]
    widest = max(map(cell_len, cells), default=0)
    whole[n] = max(widest, cell_len(title))
    if not _is_text(cells):
      words = title.split()
      numbers.add(n)
    else:
      words = [word for text in (title, *cells) for word in text.split()]
      widest = 0
    longest = max(map(cell_len, words), default=0)
    least[n] = max(widest, min(longest, _LEAST_TEXT))
  shown = list(whole)

  def total(widths) -> int:
    return sum(widths[n] for n in shown) + _GAP * (len(shown) - 1)

  for title in table.optional:
    if total(least) > width and title in table.titles:
      shown.remove(list(table.titles).index(title))
  widths = dict(whole)
  # If nothing else helps, words are broken, then numbers.
  names = {n: least[n] if n in numbers else _BROKEN for n in whole}
  for floor in (least, names, dict.fromkeys(whole, _BROKEN)):
    while total(widths) > width:
      wide = [n for n in shown if widths[n] > floor[n]]
      if not wide:
        break
      widths[max(wide, key=widths.__getitem__)] -= 1
  return shown, widths


def _is_text(cells: Sequence[str]) -> bool:
  """Returns whether cells are words, most of them, and not numbers."""
  return 2 * sum(bool(_WORD.search(cell)) for cell in cells) > len(cells)


def _drawn(
  table: Table,
  shown: Sequence[int],
  widths: Mapping[int, int],
  rows: Sequence[Row],
  titles: bool,
) -> RichTable:
  box = SIMPLE_HEAD if table.ruled else None
  drawn = RichTable(
    box=box,
    show_edge=False,
    show_header=titles and any(table.titles),
    header_style='bold',
    # The box has a column of its own.
    padding=(0, _GAP - bool(box), 0, 0),
    pad_edge=False,
  )
  for n in shown:
    cells = [row.cells[n] for row in table.rows if n < len(row.cells)]
    # Text is aligned to the right in files only, where it has one line.
    left = n in table.left or _is_text(cells)
    drawn.add_column(
      Text(table.titles[n]),
      width=widths[n],
      justify='left' if left else 'right',
      overflow='fold',
    )
  for row in rows:
    cells = [*row.cells, *[''] * (len(table.titles) - len(row.cells))]
    drawn.add_row(*(Text(cells[n]) for n in shown), style=row.style)
  return drawn
