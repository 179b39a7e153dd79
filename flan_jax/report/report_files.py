"""Writes a report: a page, Markdown, tables, figures and its data."""

from collections.abc import Mapping
import dataclasses
import importlib.resources
import json
import os
from typing import Any

from etils import epath
import jinja2
import markupsafe

from flan_jax.errors import UserError
from flan_jax.report.dataset_tables import VERDICT
from flan_jax.report.document import Document
from flan_jax.report.example_cards import OUTCOMES
from flan_jax.report.tables import (
  RECALLED,
  Column,
  Value,
  csv_text,
  markdown,
  text_of,
)
from flan_jax.runtime.paths import user_path, write_whole, write_whole_bytes

PAGE, MARKDOWN, JSON = 'report.html', 'report.md', 'report.json'
TABLES, FIGURES = 'tables', 'figures'
# Limit of the page. Figures that do not fit are only in their files.
_MOST_BYTES = 4_800_000


def write_report(folder: str | os.PathLike, document: Document) -> epath.Path:
  """Writes a report and returns the path of its page, which is written last.

  Raises:
    UserError: The folder cannot be written.
  """
  folder = user_path(folder)
  try:
    for name in (TABLES, FIGURES):
      (folder / name).mkdir(parents=True, exist_ok=True)
    for table in document.tables:
      write_whole(folder / TABLES / f'{table.name}.csv', csv_text(table))
    for figure in document.figures:
      write_whole(folder / FIGURES / f'{figure.name}.svg', figure.svg)
      write_whole_bytes(folder / FIGURES / f'{figure.name}.png', figure.png)
    write_whole(folder / JSON, json_text(document))
    write_whole(folder / MARKDOWN, _render('report.md.j2', document))
    write_whole(folder / PAGE, page(document))
  except OSError as error:
    raise UserError(
      f'--out={folder} cannot be written ({error}): name a folder of your own'
    ) from error
  return folder / PAGE


def page(document: Document) -> str:
  """Returns the page, which needs nothing but itself."""
  html = _render('report.html.j2', document, inlined=document.figures)
  inlined = list(document.figures)
  while len(html.encode()) > _MOST_BYTES and inlined:
    inlined.remove(max(inlined, key=lambda figure: len(figure.svg)))
    html = _render('report.html.j2', document, inlined=inlined)
  return html


def json_text(document: Document) -> str:
  """Returns the data of a report as JSON."""
  values = {
    field.name: _plain(getattr(document, field.name))
    for field in dataclasses.fields(document)
  }
  return (
    json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False) + '\n'
  )


def _plain(value: Any) -> Any:
  """Returns a value as JSON has it; figures without their pictures."""
  if dataclasses.is_dataclass(value):
    return {
      field.name: _plain(getattr(value, field.name))
      for field in dataclasses.fields(value)
      if field.name not in ('svg', 'png')
    }
  if isinstance(value, Mapping):
    return {key: _plain(one) for key, one in value.items()}
  return (
    [_plain(one) for one in value]
    if isinstance(value, (list, tuple))
    else value
  )


def _render(template: str, document: Document, **values: Any) -> str:
  environment = jinja2.Environment(
    loader=jinja2.FunctionLoader(_source),
    autoescape=template.startswith('report.html'),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
  )
  environment.filters |= {
    'cell': text_of,
    'kind': _kind,
    'markdown': markdown,
    'indented': lambda text: '\n'.join(f'    {x}' for x in text.splitlines()),
  }
  return environment.get_template(template).render(
    document=document, outcomes=_outcomes(document), source=_asset, **values
  )


def _source(name: str) -> str:
  path = importlib.resources.files(__package__) / name
  return path.read_text(encoding='utf-8')


def _asset(name: str) -> markupsafe.Markup:
  """Returns a file that becomes part of the page as it is."""
  return markupsafe.Markup(_source(name))


def _outcomes(document: Document) -> list[str]:
  found = {card.outcome for card in document.examples}
  return [outcome for outcome in OUTCOMES if outcome in found]


def _kind(value: Any, column: Column) -> str:
  """Returns the classes of a cell."""
  kinds = [column.kind if column.is_text else 'number']
  if isinstance(value, Value) and value.provenance == RECALLED:
    kinds.append(RECALLED)
  if column.key == VERDICT and value in ('better', 'worse'):
    kinds.append(value)
  return ' '.join(kinds)
