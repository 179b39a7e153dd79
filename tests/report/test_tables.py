import csv
import io

from flan_jax.report import tables
from flan_jax.report.tables import Column, Table, Value


def _table(**row):
  return Table(
    'scores',
    'Scores',
    'In percent.',
    (
      Column('dataset', 'dataset', tables.TEXT),
      Column('mean', 'mean'),
      Column('interval', '95 % interval', tables.INTERVAL),
      Column('paper', 'paper', tables.PUBLISHED),
      Column('absent', 'absent'),
    ),
    ({'dataset': 'a|b', 'mean': 12.345, 'interval': (10.0, 15.5)} | row,),
    ('A note.',),
  )


def test_a_column_without_values_is_not_shown():
  assert [c.key for c in _table().shown()] == ['dataset', 'mean', 'interval']
  # Zero is a value.
  assert 'absent' in [c.key for c in _table(absent=0.0).shown()]


def test_markdown_keeps_columns_apart():
  text = tables.markdown(_table(paper=Value(40.0, 'quoted')))
  assert text.splitlines()[2] == (
    '| a\\|b | 12.3 | 10.0–15.5 | 40.0 (quoted) |'
  )
  assert text.endswith('\n\nA note.')


def test_csv_has_all_digits_and_the_provenance():
  table = _table(paper=Value(40.0, 'recalled', std=1.5))
  (row,) = csv.DictReader(io.StringIO(tables.csv_text(table)))
  assert row == {
    'dataset': 'a|b',
    'mean': '12.345',
    'interval_low': '10.0',
    'interval_high': '15.5',
    'paper': '40.0',
    'paper_std': '1.5',
    'paper_is': 'recalled',
  }


def test_an_interval_below_zero_has_words_between_its_bounds():
  assert tables.text_of((-3.0, 2.0), tables.INTERVAL) == '-3.0 to 2.0'
  assert tables.text_of((-3.0, 2.0), tables.SIGNED_INTERVAL) == '-3.0 to +2.0'


def test_zero_has_no_sign():
  assert tables.text_of(-0.01, tables.SIGNED) == '0.0'
  assert tables.text_of(0.06, tables.SIGNED) == '+0.1'
  assert tables.text_of(-0.01, tables.NUMBER) == '0.0'
