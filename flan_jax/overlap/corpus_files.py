"""The files of a corpus, and the ranges of them that are searched by one."""

from collections.abc import Iterator, Sequence
import dataclasses
import fnmatch
import itertools

from etils import epath

from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import user_path

GZIP, ZSTD = '.gz', '.zst'
_JSON_LINES = ('.jsonl', '.ndjson', '.json')
# Bytes that one worker searches at a time.
_RANGE = 256 << 20


@dataclasses.dataclass(frozen=True)
class CorpusRange:
  """Bytes of a file: the words, or the lines, that begin in a range.

  Attributes:
    path: The file.
    start: First byte.
    stop: One past the last byte; None for all of a compressed file.
    size: Bytes on disk.
  """

  path: str
  start: int
  stop: int | None
  size: int

  @property
  def compression(self) -> str:
    """`GZIP`, `ZSTD` or ''."""
    return _compression(self.path)

  @property
  def is_json(self) -> bool:
    """Whether it has JSON Lines, not text."""
    return self.path.removesuffix(self.compression).endswith(_JSON_LINES)


def _compression(path: str) -> str:
  return next((end for end in (GZIP, ZSTD) if path.endswith(end)), '')


def corpus_files(names: Sequence[str]) -> list[epath.Path]:
  """Returns the files that names of files, folders or patterns stand for.

  A folder stands for all files in it and below, except for those whose name, or
  whose folder's name, begins with `.` or `_`.

  Raises:
    ConfigError: a name stands for no file.
  """
  found: dict[str, epath.Path] = {}
  for name in names:
    files = {str(path): path for path in sorted(_files(user_path(name)))}
    if not files:
      raise ConfigError(
        f'--corpus={name}: there is no such file, and no file in or below a '
        'folder of this name'
      )
    found |= files
  return list(found.values())


def _files(path: epath.Path) -> Iterator[epath.Path]:
  if path.is_dir():
    for child in path.iterdir():
      if not child.name.startswith(('.', '_')):
        yield from _files(child)
  elif path.exists():
    yield path
  else:
    yield from filter(epath.Path.is_file, _matching(path))


def _matching(pattern: epath.Path) -> Iterator[epath.Path]:
  """Yields what exists under a path with `*`, `?` or `[…]`."""
  root = next(p for p in pattern.parents if not set('*?[') & set(str(p)))
  found = [root]
  for part in pattern.relative_to(root).parts:
    found = [
      child
      for folder in found
      if folder.is_dir()
      for child in folder.iterdir()
      if fnmatch.fnmatchcase(child.name, part)
    ]
  yield from found


def corpus_ranges(files: Sequence[epath.Path]) -> list[list[CorpusRange]]:
  """Divides files into shares of work of about 256 MiB, in order."""
  ranges = itertools.chain.from_iterable(map(_ranges, files))
  shares, size = [], _RANGE
  for one in ranges:
    if size + one.size > _RANGE:
      shares.append([])
      size = 0
    shares[-1].append(one)
    size += one.size
  return shares


def _ranges(path: epath.Path) -> Iterator[CorpusRange]:
  """Yields the ranges of a file; a compressed one cannot be divided."""
  name, size = str(path), path.stat().length
  if _compression(name):
    yield CorpusRange(name, 0, None, size)
    return
  for start in range(0, size, _RANGE):
    stop = min(start + _RANGE, size)
    yield CorpusRange(name, start, stop, stop - start)
