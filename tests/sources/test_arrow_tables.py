"""Rows of files become tables of few types; what is wrong names the file."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flan_jax.sources.arrow_tables import read_tables
from flan_jax.sources.table_files import (
  TableError,
  files_digest,
  find_files,
  peek_columns,
)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  return tmp_path


def _read(source):
  return read_tables(find_files(source, None))


def _rows(tables, split='train'):
  return tables.splits[split].to_pylist()


def test_csv_keeps_every_text_as_it_is(folder):
  (folder / 'a.csv').write_bytes(
    b'\xef\xbb\xbfcode,text\r\n007,"two\nlines, ""quoted"""\r\nNA,\r\n'
  )
  tables = _read('csv:a.csv')
  assert tables.features == {'code': 'text', 'text': 'text'}
  assert _rows(tables) == [
    {'code': '007', 'text': 'two\nlines, "quoted"'},
    {'code': 'NA', 'text': ''},
  ]
  assert peek_columns('csv:a.csv') == ['code', 'text']


def test_types_of_json_are_inferred(folder):
  lines = [
    {'day': '2020-01-02', 'n': 1, 'x': 0.5, 'ok': True, 'gap': 3},
    {'day': '', 'n': 2, 'x': 2, 'ok': False, 'w': ['a', 'b']},
    {'day': 'x', 'n': 3, 'x': 1, 'ok': True, 'qa': [{'q': 'a', 'r': [1]}]},
  ]
  text = '\n\n'.join(json.dumps(line) for line in lines)
  (folder / 'a.jsonl').write_text(text)
  tables = _read('json:a.jsonl')
  assert tables.features == {
    'day': 'text',
    'n': 'int64',
    'x': 'float64',
    'ok': 'bool',
    # A number that is missing somewhere.
    'gap': 'text',
    'w': {'sequence': 'text'},
    'qa': {'sequence': {'q': 'text', 'r': {'sequence': 'int64'}}},
  }
  rows = _rows(tables)
  assert [row['day'] for row in rows] == ['2020-01-02', '', 'x']
  assert [row['gap'] for row in rows] == ['3', '', '']
  assert [row['w'] for row in rows] == [[], ['a', 'b'], []]


def test_parquet_keeps_class_names_and_leaves_bytes_out(folder):
  noted = {
    'info': {
      'features': {'label': {'names': ['no', 'yes'], '_type': 'ClassLabel'}}
    }
  }
  table = pa.table({'label': [1, 0], 'image': [b'x', b'y']})
  table = table.replace_schema_metadata({'huggingface': json.dumps(noted)})
  (folder / 'rows').mkdir()
  for split in ('train', 'dev'):
    pq.write_table(table, folder / f'rows/{split}-00000-of-00001.parquet')
  tables = _read('parquet:rows')
  assert tables.features == {'label': ['no', 'yes']}
  assert tables.left_out == {'image': 'binary'}
  assert tables.sizes == {'validation': 2, 'train': 2}
  assert peek_columns('parquet:rows') == ['label', 'image']
  pq.write_table(table.select(['image']), folder / 'images.parquet')
  with pytest.raises(TableError, match='no column holds text'):
    _read('parquet:images.parquet')


@pytest.mark.parametrize('column', ['_split', 'split'])
def test_a_column_names_the_split_of_each_row(folder, column):
  (folder / 'a.csv').write_text(f'{column},x\ntrain,1\ndev,2\ntrain,3\n')
  tables = _read('csv:a.csv')
  assert tables.sizes == {'train': 2, 'validation': 1}
  assert [row['x'] for row in _rows(tables)] == ['1', '3']
  assert list(tables.features) == ['x']


def test_a_column_of_other_words_is_no_split(folder):
  (folder / 'a.csv').write_text('split,x\nbanana,1\ntrain,2\n')
  assert _read('csv:a.csv').sizes == {'train': 2}


def test_a_changed_file_is_another_one(folder):
  path = folder / 'a.csv'
  path.write_text('x\n1\n')
  files = find_files('csv:a.csv', None)
  before = files_digest(files)
  assert _rows(read_tables(files)) == [{'x': '1'}]
  path.write_text('x\n21\n')
  assert _rows(read_tables(files)) == [{'x': '21'}]
  assert files_digest(files) != before


@pytest.mark.parametrize(
  'files, source, message',
  [
    ({'a.csv': ''}, 'csv:a.csv', 'a.csv is empty'),
    ({'a.csv': 'x;y\n1;2'}, 'csv:a.csv', 'a.csv.*semicolons'),
    ({'a.csv': 'x,x\n1,2'}, 'csv:a.csv', "two columns are named 'x'"),
    ({'a.csv': 'x,y\n1,2,3\n'}, 'csv:a.csv', 'a.csv: .*Expected 2 columns'),
    ({'a.csv': b'x\n\xff\n'}, 'csv:a.csv', 'a.csv is not CSV in UTF-8'),
    ({'a.csv': 'x\n'}, 'csv:a.csv', 'a.csv: there are no rows'),
    ({'a.csv': '_split,x\nfoo,1\n'}, 'csv:a.csv', "row 1 is 'foo'"),
    ({'a.json': '[{"x": 1}]'}, 'json:a.json', 'one JSON object a line'),
    (
      {'a.jsonl': '{"x": 1}\n{"x": "b"}'},
      'json:a.jsonl',
      r'a.jsonl: .*number to string in row 1',
    ),
    ({'a.parquet': 'no'}, 'parquet:a.parquet', 'a.parquet: '),
    (
      {'d/train.csv': 'x\n1', 'd/more.csv': 'x\n1'},
      'csv:d',
      'more.csv does not begin with the name of a split',
    ),
    (
      {'d/train.csv': 'x\n1', 'd/test.csv': 'y\n1'},
      'csv:d',
      r"has the columns \['x'\], but test.csv has",
    ),
    ({}, 'hf:glue', 'write hf:OWNER/NAME/CONFIG'),
  ],
)
def test_what_is_wrong_names_the_file(folder, files, source, message):
  for name, text in files.items():
    (folder / name).parent.mkdir(exist_ok=True)
    text = text if isinstance(text, bytes) else text.encode()
    (folder / name).write_bytes(text)
  with pytest.raises(TableError, match=message) as error:
    _read(source)
  assert '\n' not in str(error.value)


def test_a_local_folder_is_read_by_the_datasets_library(folder, monkeypatch):
  datasets = pytest.importorskip('datasets')
  monkeypatch.setattr(datasets.config, 'HF_DATASETS_CACHE', folder / 'cache')
  (folder / 'rows').mkdir()
  (folder / 'rows/train.jsonl').write_text('{"x": "a", "y": 1}\n')
  (folder / 'rows/test.jsonl').write_text('{"x": "b", "y": 2}\n')
  tables = _read('hf:./rows')
  assert tables.features == {'x': 'text', 'y': 'int64'}
  assert tables.sizes == {'train': 1, 'test': 1}
  features = datasets.Features(
    {'x': datasets.ClassLabel(names=['n', 'p']), 'z': datasets.Value('string')}
  )
  saved = datasets.Dataset.from_dict({'x': [1], 'z': ['q']}, features)
  saved.save_to_disk(str(folder / 'saved'))
  assert _read('hf:./saved').features == {'x': ['n', 'p'], 'z': 'text'}


def test_a_folder_that_names_files_elsewhere_is_refused(folder):
  pytest.importorskip('datasets')
  (folder / 'rows').mkdir()
  (folder / 'rows/train.jsonl').write_text('{"x": "a"}\n')
  (folder / 'rows/README.md').write_text(
    '---\nlicense_link: https://example.com\nconfigs:\n- config_name: a\n'
    '  data_files: https://example.com/x.csv\n---\nRows.\n'
  )
  with pytest.raises(TableError, match=r'README\.md names files outside'):
    _read('hf:./rows')
