"""The table of the results is that of the files."""

import json

from benchmarks import results_table
from benchmarks.results_table import README, RESULTS, figures_of, rendered
from flan_jax.planning.scaling_table import replaced

_ABOUT = {
  'date': '2026-01-02T03:04:05+00:00',
  'command': 'python -m benchmarks.x --rounds=2',
  'cores': 2,
  'processor': 'A',
}
_SPREAD = {'median': 1.25, 'q1': 1.0, 'q3': 1.5, 'min': 0.5, 'max': 2.0}


def test_the_page_is_up_to_date():
  text = README.read_text('utf-8')
  assert text == replaced(text, rendered(RESULTS)), (
    'run python -m benchmarks.results_table'
  )


def test_numbers_and_spreads_are_figures():
  result = {
    'rows': 12_345,
    'seconds': 0.123456,
    'per_second': 12_345.6,
    'same_texts': True,
    'ratio': _SPREAD,
    'none': None,
    'sides': {'a': 3, 'b': {'c': 4}},
    'settings': {'rounds': 2},
    'load': [1.0],
  }
  assert list(figures_of(result)) == [
    ('rows', '12,345'),
    ('seconds', '0.1235'),
    ('per_second', '12,346'),
    ('same_texts', 'yes'),
    ('ratio', '1.25 (1 to 1.5)'),
    ('sides.a', '3'),
  ]


def test_a_file_is_described_once(tmp_path, monkeypatch):
  path = tmp_path / 'x.json'
  path.write_text(json.dumps({**_ABOUT, 'a': 1, 'b': 2}))
  page = tmp_path / 'page.md'
  page.write_text(f'before {README.read_text("utf-8")}')
  monkeypatch.setattr(results_table, 'README', page)
  monkeypatch.setattr(results_table, 'RESULTS', tmp_path)
  results_table.main()
  lines = page.read_text().splitlines()
  assert [line for line in lines if line.startswith('| `x`')] == [
    '| `x` | `a` | 1 | 2 cores, A | 2026-01-02 | '
    '`python -m benchmarks.x --rounds=2` |',
    '| `x` | `b` | 2 |  |  |  |',
  ]


def test_without_files_there_is_a_note(tmp_path):
  assert 'no files' in rendered(tmp_path)
