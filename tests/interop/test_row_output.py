"""Files of rows: their contents, and that they are whole or not there."""

import json

import pyarrow.parquet as pq
import pytest

from flan_jax.interop import row_output
from flan_jax.interop.row_output import row_file

_ROWS = [
  {'text': f'row {n} é\n', 'messages': [{'role': 'user'}]} for n in (1, 2)
]


def test_json_lines(tmp_path):
  path = tmp_path / 'rows.jsonl'
  with row_file(str(path)) as write:
    for row in _ROWS:
      write(row)
    assert not path.exists()
  lines = path.read_text(encoding='utf-8').splitlines()
  assert [json.loads(line) for line in lines] == _ROWS


def test_parquet_in_groups(tmp_path, monkeypatch):
  monkeypatch.setattr(row_output, '_GROUP', 1)
  path = tmp_path / 'rows.parquet'
  with row_file(str(path)) as write:
    for row in _ROWS:
      write(row)
  found = pq.ParquetFile(path)
  assert found.num_row_groups == 2
  assert found.read().to_pylist() == _ROWS


@pytest.mark.parametrize('suffix', ['jsonl', 'parquet'])
def test_a_failure_leaves_the_old_file_alone(tmp_path, suffix):
  path = tmp_path / f'rows.{suffix}'
  path.write_text('old')
  with pytest.raises(ZeroDivisionError), row_file(str(path)) as write:
    write(_ROWS[0])
    write(1 / 0)
  assert path.read_text() == 'old'
  assert [p.name for p in tmp_path.iterdir()] == [path.name]
