"""The panels of studies as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.protocol import comparable, rows_note, rows_of_study
from flan_jax.report.sources import Study, part_result
from flan_jax.report.systems import TUNED, System, row_name
from flan_jax.report.tables import COUNT, NUMBER, SIGNED, TEXT, Column, Table
from flan_jax.studies import main_panel

# Columns of the main panel that `paper_tables` gives with their provenance, in
# columns that tell which of our results follow the paper's protocol.
_ELSEWHERE = ('paper', 'paper is')
MAIN = 'main'
# The main panel also counts wins over recalled values; `paper_tables` does not.
_OWN_WINS = 1


def study_name(study: Study) -> str:
  """Returns a name such as `main-smoke`."""
  return f'{study.json["study"]}-{study.json["size"]}'


def few_shot_systems(studies: Iterable[Study]) -> list[System]:
  """Returns the tuned models of main studies with exemplars, of one seed.

  `systems.find_systems` has them without exemplars.
  """
  found = []
  for study in studies:
    about, parts = study.json, {}
    for cell in about['cells']:
      if about['design']['panel'] == MAIN and cell['arm'] == TUNED:
        if cell['seed'] == about['design']['seeds'][0]:
          parts |= _few_shot_parts(cell)
    if parts:
      found.append(System(f'{TUNED}, {study_name(study)}', study.path, parts))
  return found


def _few_shot_parts(cell: Mapping[str, Any]) -> dict[str, PartResult]:
  results = [
    part_result(entry)
    for evaluation in cell['evaluations']
    if evaluation['label'] == main_panel.FEW
    for entry in evaluation['parts']
  ]
  return {row_name(r): r for r in results if r.mean is not None}


def study_tables(study: Study) -> list[Table]:
  """Returns the tables of the panel of a study."""
  name, panel = study_name(study), study.json['panel']
  main = study.json['design']['panel'] == MAIN
  tables = []
  for title, lines in panel.items():
    if main and title == 'wins':
      lines = lines[:_OWN_WINS]
    if lines:
      tables.append(_table(study, name, title, lines, main))
  return tables


def _table(
  study: Study,
  name: str,
  title: str,
  lines: Sequence[Mapping[str, Any]],
  main: bool,
) -> Table:
  columns = _columns(lines)
  if main:
    columns = [column for column in columns if column.key not in _ELSEWHERE]
  notes = [rows_note(rows_of_study(study.json)).strip()]
  if any(column.key.startswith('paper') for column in columns):
    if not comparable(study.json):
      columns = [_of_other_rows(column) for column in columns]
  return Table(
    '_'.join(_stem(part) for part in ('study', name, title)),
    f'Study {name}: {title}',
    'Scores are in percent. docs/studies.md explains the columns.',
    tuple(columns),
    tuple(lines),
    tuple(filter(None, notes)),
  )


def _stem(text: str) -> str:
  """Returns a text that can be part of a file name.

  >>> _stem('BLOOM and BLOOMZ, as published')
  'bloom_and_bloomz_as_published'
  """
  kept = ''.join(c if c.isalnum() else ' ' for c in text.lower())
  return '_'.join(kept.split())


def _columns(lines: Sequence[Mapping[str, Any]]) -> list[Column]:
  keys = dict.fromkeys(key for line in lines for key in line)
  return [
    Column(key, key, _kind(key, [line.get(key) for line in lines]))
    for key in keys
  ]


def _kind(key: str, values: Sequence[Any]) -> str:
  known = [value for value in values if value is not None]
  if any(isinstance(value, (str, bool)) for value in known):
    return TEXT
  if key in ('difference', 'low', 'high'):
    return SIGNED
  if known and all(isinstance(value, int) for value in known):
    return COUNT
  return NUMBER


def _of_other_rows(column: Column) -> Column:
  """Labels a published column whose rows are not those of ours."""
  if not column.key.startswith('paper'):
    return column
  return Column(column.key, f'{column.key} (on other rows)', column.kind)
