"""Opens files that may be compressed."""

import contextlib
import gzip
import io
from typing import IO
import zlib

from etils import epath

from flan_jax.errors import UserError
from flan_jax.overlap.corpus_files import GZIP, ZSTD, CorpusRange

_READ = 1 << 16


@contextlib.contextmanager
def open_range(of: CorpusRange):
  """Opens the file of a range, as the bytes that it has uncompressed.

  Raises:
    UserError: the file is damaged, or `zstandard` is needed and not installed.
  """
  try:
    with epath.Path(of.path).open('rb') as file:
      if of.compression == GZIP:
        yield gzip.GzipFile(fileobj=file)
      elif of.compression == ZSTD:
        yield io.BufferedReader(_ZstdFile(file, of.path))
      else:
        yield file
  except (gzip.BadGzipFile, EOFError, zlib.error) as error:
    raise _damaged(of.path, error) from error


def _damaged(path: str, reason) -> UserError:
  return UserError(f'{path} is damaged ({reason}): get it again')


class _ZstdFile(io.RawIOBase):
  """Reads the frames of a file; unlike the library's reader, it needs the end.

  Without it, a file that was cut off would pass for a whole one.
  """

  def __init__(self, file: IO[bytes], path: str):
    try:
      import zstandard
    except ImportError as error:
      raise UserError(
        f"{path} needs zstandard, which is not installed: pip install '.[zstd]'"
      ) from error
    self._library = zstandard
    self._file = file
    self._path = path
    self._frame = None
    self._ready = memoryview(b'')

  def readable(self) -> bool:
    return True

  def readinto(self, buffer) -> int:
    while not self._ready:
      data = (self._frame and self._frame.unused_data) or self._file.read(_READ)
      if self._frame and self._frame.eof:
        self._frame = None
      if not data:
        if self._frame:
          raise _damaged(self._path, 'its end is missing')
        return 0
      if not self._frame:
        self._frame = self._library.ZstdDecompressor().decompressobj()
      try:
        self._ready = memoryview(self._frame.decompress(data))
      except self._library.ZstdError as error:
        raise _damaged(self._path, error) from error
    count = min(len(buffer), len(self._ready))
    buffer[:count] = self._ready[:count]
    self._ready = self._ready[count:]
    return count
