"""The token cache: splits on disk, found and read without TensorFlow.

A cached split is one split of one part, rendered and tokenized, in shards of
rows:

  CACHE_DIR/<dataset>/<part>.<split>-<content>-<copy>/
    manifest.json            settings, counts and shards
    shard-00000-of-00001/
      tokens.bin             the tokens of all spans, one after the other
      spans.npy              where each span ends, int64 [spans + 1], from 0
      renderings.npy         one `RENDERING` per rendering
      rows.jsonl             one object per row: id, group, answer
      shard.json             counts, and the digest of each file

`<content>` is a hash of templates, mapping, vocabulary, lengths and
`RENDERING_VERSION`, `<copy>` one of the TFDS copy: a change of any makes
another folder, never a stale one. A shard is written under a temporary name and
renamed when complete. The manifest is written last, so that a split that has
one is complete.
"""

import bisect
from collections.abc import Iterator
import fnmatch
import functools
import json
import os
import pathlib
import re
from typing import Any

from etils import epath
import numpy as np

from flan_jax.cache import storage
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import LAYOUT, SplitKey, split_folder
from flan_jax.cache.storage import CacheError, MissingCacheError
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.digests import digest, file_digest
from flan_jax.runtime.local_copies import local_copy
from flan_jax.runtime.paths import user_path
from flan_jax.sources.copies import copy_digest
from flan_jax.vocabulary.base import Vocabulary

TOKENS, SPANS, RENDERINGS = 'tokens.bin', 'spans.npy', 'renderings.npy'
ROWS, SHARD, MANIFEST = 'rows.jsonl', 'shard.json', 'manifest.json'
FILES = (TOKENS, SPANS, RENDERINGS, ROWS)
# What reading a damaged file may raise.
_DAMAGE = (ValueError, TypeError, LookupError, RecursionError, OSError)
# The key of the manifest with a digest of all others.
DIGEST = 'digest'

# A rendering: its row, template, first span and number of spans (the input,
# then the target in training and every option, or the target, in evaluation).
RENDERING = np.dtype(
  [
    ('row', '<i4'),
    ('template', '<i2'),
    ('inputs_cut', 'u1'),
    ('targets_cut', 'u1'),
    ('spans', '<u2'),
    ('first', '<i8'),
  ]
)


_SHARD_NAME = re.compile(r'shard-\d{5,}-of-\d{5,}')


def token_dtype(vocabulary: Vocabulary) -> np.dtype:
  """Returns the type that holds every token of a vocabulary."""
  return np.dtype('<u2' if vocabulary.size <= 2**16 else '<u4')


def shard_name(index: int, count: int) -> str:
  """Returns the name of a shard's folder.

  >>> shard_name(2, 16)
  'shard-00002-of-00016'
  """
  return f'shard-{index:05d}-of-{count:05d}'


def find_cached_split(
  key: SplitKey, config: CacheConfig, vocabulary: Vocabulary
) -> 'CachedSplit':
  """Opens a complete split.

  If the TFDS copy is present, the split must be of that copy. On a worker that
  has only the cache, there must be exactly one.

  Raises:
    MissingCacheError: there is none.
    CacheError: it is damaged, or there are several.
  """
  root = user_path(config.cache_dir)
  copy = copy_digest(key.part.source, config.data_dir)
  path = root / split_folder(key, config, vocabulary, copy or '*')
  folders = path.parent.iterdir() if path.parent.exists() else ()
  found = sorted(
    folder
    for folder in folders
    if fnmatch.fnmatch(folder.name, path.name) and (folder / MANIFEST).exists()
  )
  if not found:
    raise MissingCacheError(
      f'no cache of {key} in {root} for these settings: make it with '
      '`flan-jax cache` and the same gin files'
    )
  if len(found) > 1:
    raise CacheError(
      f'{len(found)} caches of {key}, of different copies of '
      f'{key.part.source}: {", ".join(map(str, found))}. Set DATA_DIR to the '
      'copy to use, or remove the others'
    )
  split = open_cached_split(found[0], key.part)
  if split.manifest['vocabulary']['digest'] != vocabulary.digest:
    raise CacheError(
      f'{split.path} was made with another vocabulary, by its manifest: remove '
      'it and run `flan-jax cache` again'
    )
  return split


def open_cached_split(
  path: str | os.PathLike, part: Dataset | None = None
) -> 'CachedSplit':
  """Opens the split in a folder; copies a remote one to local disk first."""
  path = epath.Path(path)
  if not storage.is_local(path):
    manifest = _read_manifest(path / MANIFEST)
    shards = manifest['shards']
    names = [f'{x["name"]}/{y}' for x in shards for y in (*FILES, SHARD)]
    path = local_copy(path, [*names, MANIFEST], json.dumps(manifest))
  return CachedSplit(path, part)


class CachedSplit:
  """A complete split whose tokens are memory-mapped.

  Rows, renderings and spans are numbered through all shards.

  Attributes:
    path: Its folder.
    part: The declared part that it is of, if known.
    manifest: What the writer recorded.
    renderings: `RENDERING` [renderings], those of a row together.
    row_start: First rendering of each row, int64 [rows + 1].
    span_lengths: Tokens of each span, int64 [spans].
  """

  def __init__(self, path: str | os.PathLike, part: Dataset | None = None):
    self.path = pathlib.Path(path)
    self.part = part
    self.manifest = _read_manifest(self.path / MANIFEST)
    try:
      self._open()
    except _DAMAGE as error:
      raise self._damage() from error

  def _open(self):
    self._check_sizes()
    shards = [self.path / shard['name'] for shard in self.manifest['shards']]
    dtype = np.dtype(self.manifest['dtype'])
    self._tokens = [_map_tokens(shard / TOKENS, dtype) for shard in shards]
    ends = [np.load(shard / SPANS) for shard in shards]
    renderings = [np.load(shard / RENDERINGS) for shard in shards]
    self._first_span = [0]  # Of each shard, and one past the last.
    row = 0
    for shard, end, recorded in zip(
      renderings, ends, self.manifest['shards'], strict=True
    ):
      shard['row'] += row
      shard['first'] += self._first_span[-1]
      row += recorded['counts']['rows']
      self._first_span.append(self._first_span[-1] + len(end) - 1)
    self.renderings = np.concatenate(renderings)
    self._first = self.renderings['first']
    self._targets_cut = self.renderings['targets_cut']
    # Where each span starts in the tokens of its shard.
    self._starts = np.concatenate([end[:-1] for end in ends])
    self.span_lengths = np.concatenate([np.diff(end) for end in ends])
    every_row = np.arange(self.num_rows + 1)
    self.row_start = np.searchsorted(self.renderings['row'], every_row)

  def _check_sizes(self):
    """Refuses truncated files; `verify` reads all of them."""
    for path, recorded in self._files():
      if not path.is_file() or path.stat().st_size != recorded['bytes']:
        raise _damaged(path, self.path)

  def _damage(self):
    """Returns the error of the file that is damaged, found by its digest."""
    try:
      self.verify()
    except CacheError as error:
      return error
    except _DAMAGE:
      pass
    return _damaged(self.path / MANIFEST, self.path)

  def _files(self):
    """Yields every file and what the manifest records of it."""
    for shard in self.manifest['shards']:
      for name, recorded in shard['files'].items():
        yield self.path / shard['name'] / name, recorded

  def verify(self) -> None:
    """Compares every file with its digest; raises CacheError if one differs."""
    for path, recorded in self._files():
      if file_digest(path) != recorded['sha256']:
        raise _damaged(path, self.path)

  @property
  def name(self) -> str:
    return self.manifest['part']

  @functools.cached_property
  def digest(self) -> str:
    """Digest of the split's contents."""
    shards = self.manifest['shards']
    return digest(
      [x['files'][name]['sha256'] for x in shards for name in FILES]
    )

  @property
  def num_rows(self) -> int:
    return self.manifest['counts']['rows']

  def span(self, index: int) -> np.ndarray:
    """Returns the tokens of one span."""
    shard = bisect.bisect_right(self._first_span, index) - 1
    start = self._starts.item(index)
    return self._tokens[shard][start : start + self.span_lengths.item(index)]

  def spans(self, rendering: np.void) -> list[np.ndarray]:
    """Returns the spans of one rendering: input, then target or options."""
    first = int(rendering['first'])
    return [self.span(first + i) for i in range(int(rendering['spans']))]

  def prompt(self, index: int, framing: Framing) -> list[int]:
    """Returns the tokens before the target of a rendering."""
    return np.concatenate(self.prompt_parts(index, framing)).tolist()

  def prompt_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    """Returns the parts of a rendering's `prompt`, as views."""
    span = self.span(self._first.item(index))
    return [framing.arrays.start, span, framing.arrays.separator]

  def example_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    """Returns the parts of a training rendering's prompt and target."""
    parts = self.prompt_parts(index, framing)
    parts += self.target_parts(index, framing)
    return parts

  def target_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    """Returns the parts of a training rendering's target."""
    span = self.span(self._first.item(index) + 1)
    cut = self._targets_cut.item(index)
    return [span] if cut else [span, framing.arrays.end]

  @property
  def inputs_cut(self) -> np.ndarray:
    """Whether each rendering's input was shortened, bool [renderings]."""
    return self.renderings['inputs_cut'] > 0

  @property
  def targets_cut(self) -> np.ndarray:
    """Whether each training target was shortened, bool [renderings]."""
    return self.renderings['targets_cut'] > 0

  def prompt_lengths(self, framing: Framing) -> np.ndarray:
    """Returns the length of every rendering's `prompt`, int64 [renderings]."""
    return self.span_lengths[self._first] + framing.prompt_overhead

  def target_lengths(self, framing: Framing) -> np.ndarray:
    """Returns the length of every training target, int64 [renderings]."""
    ends = len(framing.end) * (1 - self._targets_cut.astype(np.int64))
    return self.span_lengths[self._first + 1] + ends

  @functools.cached_property
  def rows(self) -> list[dict[str, Any]]:
    """The objects of rows.jsonl."""
    return list(self.read_rows())

  def read_rows(self) -> Iterator[dict[str, Any]]:
    """Yields the `rows` without keeping them."""
    for shard in self.manifest['shards']:
      with open(self.path / shard['name'] / ROWS, encoding='utf-8') as file:
        yield from map(json.loads, file)


def _read_manifest(path: epath.Path | pathlib.Path) -> dict[str, Any]:
  try:
    manifest = json.loads(path.read_bytes())
    layout = manifest['layout']
    # Older manifests have no digest.
    rest = {name: manifest[name] for name in manifest if name != DIGEST}
    if manifest.get(DIGEST, digest(rest)) != digest(rest):
      raise ValueError('the digest differs')
    # Names become paths, and a manifest may be a stranger's.
    for shard in manifest['shards']:
      if not _SHARD_NAME.fullmatch(shard['name']) or not {*shard['files']} <= {
        *FILES
      }:
        raise ValueError('a shard or a file has another name')
  except _DAMAGE as error:
    raise _damaged(path, path.parent) from error
  if layout != LAYOUT:
    raise CacheError(
      f'{path} has layout {layout}, this version reads {LAYOUT}: run '
      '`flan-jax cache` again'
    )
  return manifest


def _damaged(path: pathlib.Path, folder: pathlib.Path) -> CacheError:
  return CacheError(
    f'{path} is damaged or missing: remove {folder} and run `flan-jax cache` '
    'again'
  )


def _map_tokens(path: pathlib.Path, dtype: np.dtype) -> np.ndarray:
  if not path.stat().st_size:
    return np.zeros(0, dtype)  # An empty file cannot be mapped.
  # As a plain array, which is sliced ten times as fast.
  return np.asarray(np.memmap(path, dtype=dtype, mode='r'))
