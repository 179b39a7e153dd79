"""Tables of a report, which become HTML, Markdown, CSV and JSON."""

from collections.abc import Mapping, Sequence
import csv
import dataclasses
import io
from typing import Any

# Kinds of columns.
TEXT, WORDS = 'text', 'words'
COUNT, NUMBER, SIGNED = 'count', 'number', 'signed'
INTERVAL, SIGNED_INTERVAL, PUBLISHED = (
  'interval',
  'signed interval',
  'published',
)
RECALLED = 'recalled'


@dataclasses.dataclass(frozen=True)
class Value:
  """A published value.

  Attributes:
    value: In percent.
    provenance: `quoted`, `recomputed` or `recalled`.
    std: Standard deviation over templates; None if not known.
  """

  value: float
  provenance: str
  std: float | None = None

  @property
  def number(self) -> str:
    """The value and its standard deviation as text."""
    std = '' if self.std is None else f' ± {self.std:.1f}'
    return f'{self.value:.1f}{std}'


@dataclasses.dataclass(frozen=True)
class Column:
  """A column.

  Attributes:
    key: Its key in the rows.
    title: Its heading.
    kind: How its values are written, one of the kinds above; `WORDS` are texts
      that may take several lines.
  """

  key: str
  title: str
  kind: str = NUMBER

  @property
  def is_text(self) -> bool:
    return self.kind in (TEXT, WORDS)


@dataclasses.dataclass(frozen=True)
class Table:
  """A table.

  Attributes:
    name: Stem of its CSV file.
    title: Its heading.
    caption: What its numbers are.
    columns: The first one names the row.
    rows: Key of a column -> value; None, or absent, if there is none.
    notes: Sentences below the table.
  """

  name: str
  title: str
  caption: str
  columns: tuple[Column, ...]
  rows: tuple[Mapping[str, Any], ...]
  notes: tuple[str, ...] = ()

  def shown(self) -> tuple[Column, ...]:
    """Returns the columns that have a value in some row."""
    return tuple(
      column
      for column in self.columns
      if any(row.get(column.key) not in (None, '') for row in self.rows)
    )


def text_of(value: Any, kind: str) -> str:
  """Returns a cell as text.

  >>> text_of(3.14, SIGNED), text_of((1, 2.5), INTERVAL), text_of(None, NUMBER)
  ('+3.1', '1.0–2.5', '–')
  >>> text_of(Value(47.7, 'recalled', std=1.4), PUBLISHED)
  '47.7 ± 1.4 (recalled)'
  """
  if value is None or value == '':
    return '–'
  if isinstance(value, Value):
    return f'{value.number} ({value.provenance})'
  if kind in (INTERVAL, SIGNED_INTERVAL):
    if kind == INTERVAL and value[0] >= 0:
      return f'{value[0]:.1f}–{value[1]:.1f}'
    sign = '+' if kind == SIGNED_INTERVAL else ''
    return f'{value[0]:{sign}.1f} to {value[1]:{sign}.1f}'
  if isinstance(value, bool):
    return 'yes' if value else 'no'
  if isinstance(value, float):
    # Adding 0 turns -0.0 into 0.0.
    value = round(value, 1) + 0.0
    return f'{value:+.1f}' if kind == SIGNED and value else f'{value:.1f}'
  return f'{value:,}' if isinstance(value, int) else str(value)


def markdown(table: Table) -> str:
  """Returns a table in Markdown, without its title."""
  columns = table.shown()
  lines = [
    [column.title for column in columns],
    ['---' if column.is_text else '---:' for column in columns],
  ]
  lines += [
    [text_of(row.get(c.key), c.kind) for c in columns] for row in table.rows
  ]
  text = '\n'.join(f'| {" | ".join(map(_escaped, line))} |' for line in lines)
  return '\n\n'.join([text, *table.notes])


def _escaped(text: str) -> str:
  return text.replace('|', '\\|').replace('\n', ' ')


def csv_text(table: Table) -> str:
  """Returns a table as CSV, with all digits.

  An interval takes two columns, a published value three: its standard
  deviation and where it comes from.
  """
  buffer = io.StringIO()
  writer = csv.writer(buffer, lineterminator='\n')
  columns = table.shown()
  writer.writerow([name for column in columns for name in _names(column)])
  for row in table.rows:
    writer.writerow([v for c in columns for v in _values(row.get(c.key), c)])
  return buffer.getvalue()


def _names(column: Column) -> list[str]:
  if column.kind in (INTERVAL, SIGNED_INTERVAL):
    return [f'{column.key}_low', f'{column.key}_high']
  if column.kind == PUBLISHED:
    return [column.key, f'{column.key}_std', f'{column.key}_is']
  return [column.key]


def _values(value: Any, column: Column) -> Sequence[Any]:
  if value is None:
    return [''] * len(_names(column))
  if isinstance(value, Value):
    return [value.value, value.std, value.provenance]
  if column.kind in (INTERVAL, SIGNED_INTERVAL):
    return value
  return [value]
