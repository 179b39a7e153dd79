"""What is printed: lines, paragraphs and tables, and their plain text.

Files and pipes get the plain text, which does not depend on a terminal.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import textwrap

_WIDTH = 80


def wrapped(text: str, indent: str = '', width: int = _WIDTH) -> list[str]:
  """Returns the lines of a paragraph; URLs and names are not broken."""
  return textwrap.wrap(
    text,
    width,
    initial_indent=indent,
    subsequent_indent=indent,
    break_long_words=False,
    break_on_hyphens=False,
  )


def counted(number: int, noun: str) -> str:
  """Returns a number with its noun, which takes an s in the plural.

  >>> counted(1, 'dataset'), counted(2, 'dataset')
  ('1 dataset', '2 datasets')
  """
  return f'{number:,} {noun}{"" if number == 1 else "s"}'


@dataclasses.dataclass(frozen=True)
class Line:
  """A line of text that is one line in a file too.

  Attributes:
    text: The text.
    style: How a terminal shows it, in the words of rich, such as 'bold'.
  """

  text: str
  style: str = ''

  def __str__(self) -> str:
    return self.text


@dataclasses.dataclass(frozen=True)
class Paragraph:
  """Text that is wrapped, every line after `indent`."""

  text: str
  indent: str = ''
  style: str = ''

  def __str__(self) -> str:
    return '\n'.join(wrapped(self.text, self.indent))


@dataclasses.dataclass(frozen=True)
class Row:
  """A row of a table.

  Attributes:
    cells: A text for each column; those at the end may be left out.
    style: How a terminal shows it.
    note: A paragraph below the row; None for none.
  """

  cells: Sequence[str]
  style: str = ''
  note: Paragraph | None = None


@dataclasses.dataclass(frozen=True)
class Table:
  """Rows of cells in columns.

  Attributes:
    titles: Titles of the columns.
    rows: The rows.
    left: Columns aligned to the left, by number; the others are aligned to the
      right.
    ruled: Whether a line follows the titles.
    optional: Titles of columns that a narrow terminal leaves out, in this
      order; plain text has all columns.
  """

  titles: Sequence[str]
  rows: Sequence[Row]
  left: frozenset[int] = frozenset((0, 1))
  ruled: bool = True
  optional: Sequence[str] = ()

  @classmethod
  def of(
    cls,
    lines: Sequence[Mapping[str, str]],
    optional: Sequence[str] = (),
    styles: Sequence[str] | None = None,
  ) -> 'Table':
    """Returns a table of lines of named cells, which all have the same names.

    Args:
      lines: Title -> cell, for each row.
      optional: See `Table`.
      styles: The style of each row.

    >>> print(Table.of([{'part': 'rte', 'metric': 'accuracy', 'mean': '5.0'}]))
    part  metric    mean
    --------------------
    rte   accuracy   5.0
    """
    titles = tuple(lines[0]) if lines else ()
    styles = styles or [''] * len(lines)
    rows = [
      Row(tuple(line.values()), style)
      for line, style in zip(lines, styles, strict=True)
    ]
    return cls(titles, rows, optional=optional)

  def __bool__(self) -> bool:
    return bool(self.rows)

  def __str__(self) -> str:
    """Returns the plain text, '' without rows."""
    if not self.rows:
      return ''
    cells = [self.titles, *(row.cells for row in self.rows)]
    widths = {
      n: max(len(row[n]) for row in cells if n < len(row))
      for n in range(len(self.titles))
    }
    lines = [_aligned(row, widths, self.left) for row in cells]
    text = [lines[0]] if any(self.titles) else []
    if self.ruled:
      text.append('-' * max(map(len, lines)))
    for row, line in zip(self.rows, lines[1:], strict=True):
      text.append(line)
      if row.note is not None and row.note.text:
        text.append(str(row.note))
    return '\n'.join(text)


# A text is a line without a style.
Block = str | Line | Paragraph | Table


def _aligned(
  cells: Sequence[str], widths: Mapping[int, int], left: frozenset[int]
) -> str:
  return '  '.join(
    cells[n].ljust(width) if n in left else cells[n].rjust(width)
    for n, width in widths.items()
    if n < len(cells)
  ).rstrip()


def plain(blocks: Iterable[Block]) -> str:
  r"""Returns blocks as text, one below the other.

  >>> plain(['a line', Paragraph('of words', '  '), Table((), ())])
  'a line\n  of words\n'
  """
  return '\n'.join(map(str, blocks))


def spaced(groups: Iterable[Block | Sequence[Block]]) -> list[Block]:
  """Returns groups of blocks with an empty line between them.

  Tables without rows are left out.
  """
  found: list[Block] = []
  for group in groups:
    blocks = list(group) if isinstance(group, list | tuple) else [group]
    blocks = [
      block for block in blocks if block or not isinstance(block, Table)
    ]
    if blocks:
      found += ['', *blocks] if found else blocks
  return found
