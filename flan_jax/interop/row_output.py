"""JSON Lines and Parquet files, written row by row, whole or not at all."""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import json
import os
from typing import IO, Any

from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import is_local, user_path, writing_whole

# Rows of a group in a Parquet file, which is in memory as a whole.
_GROUP = 1000

Write = Callable[[Mapping[str, Any]], None]


def check_row_file(path: str) -> None:
  """Checks that a file of rows can be written.

  Raises:
    ConfigError: Its name ends in nothing that is known, or its folder is
      missing or read-only.
  """
  file = user_path(path)
  if file.suffix not in _WRITERS:
    raise ConfigError(
      f'--out={path} must end in {" or ".join(_WRITERS)}, which chooses the '
      'format of the file'
    )
  if file.is_dir() or (is_local(path) and not os.access(file.parent, os.W_OK)):
    raise ConfigError(
      f'--out={path} cannot be written: it is a folder, or its folder is '
      'missing or read-only'
    )


@contextlib.contextmanager
def row_file(path: str) -> Iterator[Write]:
  """Yields a function that writes a row; all rows have the same columns.

  The file appears when the context ends without an error.
  """
  file = user_path(path)
  with writing_whole(file) as stream, _WRITERS[file.suffix](stream) as write:
    yield write


@contextlib.contextmanager
def _json_lines(stream: IO[bytes]) -> Iterator[Write]:
  def write(row: Mapping[str, Any]) -> None:
    line = json.dumps(row, ensure_ascii=False)
    stream.write(f'{line}\n'.encode())

  yield write


@contextlib.contextmanager
def _parquet(stream: IO[bytes]) -> Iterator[Write]:
  import pyarrow as pa
  import pyarrow.parquet as pq

  rows: list[Mapping[str, Any]] = []
  with contextlib.ExitStack() as opened:
    writer: pq.ParquetWriter | None = None

    def flush() -> None:
      nonlocal writer
      schema = None if writer is None else writer.schema
      table = pa.Table.from_pylist(rows, schema)
      if writer is None:
        writer = opened.enter_context(pq.ParquetWriter(stream, table.schema))
      writer.write_table(table)
      rows.clear()

    def write(row: Mapping[str, Any]) -> None:
      rows.append(row)
      if len(rows) == _GROUP:
        flush()

    yield write
    if rows or writer is None:
      flush()


_WRITERS = {'.jsonl': _json_lines, '.parquet': _parquet}
