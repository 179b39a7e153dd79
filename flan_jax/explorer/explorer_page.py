"""The page itself: the data, a style and a script in one HTML file."""

from collections.abc import Mapping
import importlib.resources
import json
from typing import Any

import jinja2

from flan_jax.definitions.dataset import OPTIONS
from flan_jax.explorer.shown_row import Piece, ShownRow
from flan_jax.inspection.datasets import EXTRAS

# They share one scope, in this order.
_SCRIPTS = ('base', 'search', 'datasets', 'template', 'explorer')


class Texts:
  """Distinct texts, numbered; rows and templates share many of them."""

  def __init__(self):
    self._numbers: dict[str, int] = {}

  def number(self, text: str) -> int:
    return self._numbers.setdefault(text, len(self._numbers))

  def all(self) -> list[str]:
    return list(self._numbers)


def with_rows(
  part: Mapping[str, Any], shown: Mapping[str, Mapping[int, list[ShownRow]]]
) -> dict[str, Any]:
  """Adds rows to the description of a part.

  Args:
    part: From `catalog.describe`.
    shown: From `RowReader.show`.

  Returns:
    The part. Each template has `rows`: [{'id', 'input': pieces, 'target',
    'correct', 'exemplars': [[pieces, target]], 'remarks'}]. A piece is a name
    and a text. Texts are numbers: places in the part's `texts`.
  """
  texts = Texts()
  formats = {
    name: [
      {**template, 'rows': [_row(row, texts) for row in shown[name][k]]}
      for k, template in enumerate(templates)
    ]
    for name, templates in part['formats'].items()
  }
  return {**part, 'formats': formats, 'texts': texts.all()}


def without_rows(part: Mapping[str, Any], reason: str) -> dict[str, Any]:
  """Adds to the description of a part why it shows no rows, a sentence."""
  shown = {
    name: {k: [] for k in range(len(templates))}
    for name, templates in part['formats'].items()
  }
  return {**with_rows(part, shown), 'missing': reason}


def _row(row: ShownRow, texts: Texts) -> dict[str, Any]:
  shows_options = any(name == OPTIONS for name, _ in row.pieces)
  return {
    'id': row.row_id,
    'input': _pieces(row.pieces, texts),
    'target': texts.number(row.target),
    'correct': list(row.correct) if shows_options else [],
    'exemplars': [
      [_pieces(pieces, texts), texts.number(target)]
      for pieces, target in row.exemplars
    ],
    'remarks': list(row.remarks),
  }


def _pieces(pieces: tuple[Piece, ...], texts: Texts) -> list[list]:
  return [[name, texts.number(text)] for name, text in pieces]


def html(data: Mapping[str, Any]) -> str:
  """Returns the page of `data`, which needs nothing else.

  Args:
    data: {'version', 'rows_from': where the rows come from, in words, 'shots',
      'mixtures', 'parts'}.
  """
  template = jinja2.Environment(
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
  ).from_string(_read('explorer.html.j2'))
  parts = data['parts']
  counted = [part for part in parts if part['cluster'] != EXTRAS]
  datasets = {part['dataset'] for part in counted}
  extras = {part['dataset'] for part in parts} - datasets
  return template.render(
    version=data['version'],
    rows_from=data['rows_from'],
    clusters=len({part['cluster'] for part in counted}),
    datasets=len(datasets),
    extras=len(extras),
    templates=sum(len(part['formats']['instructions']) for part in parts),
    style=_read('explorer.css'),
    script=''.join(_read(f'{name}.js') for name in _SCRIPTS),
    data=_embedded(data),
  )


def _read(name: str) -> str:
  file = importlib.resources.files(__package__) / name
  return file.read_text(encoding='utf-8')


def _embedded(data: Mapping[str, Any]) -> str:
  """Returns JSON that no text in it can end early."""
  text = json.dumps(data, ensure_ascii=False, separators=(',', ':'))
  return text.replace('<', '\\u003c')
