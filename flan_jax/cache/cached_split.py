"""The token cache: units on disk, found and read without TensorFlow.

A unit holds one split of one part, rendered and tokenized, in shards of rows:

  CACHE_DIR/<dataset>/<part>.<split>-<content>-<copy>/
    manifest.json            all that training and evaluation need to know
    shard-00000-of-00001/
      tokens.bin             the tokens of all spans, one after the other
      spans.npy             where each span ends, int64 [spans + 1], from 0
      renderings.npy            one rendering a rendering, see `RENDERING`
      rows.jsonl             one object a row: id, group, answer
      shard.json             counts, and the digest of each file

`<content>` hashes templates, mapping, vocabulary, lengths and the code that
makes tokens of them (`engine_code`), `<copy>` the TFDS copy: a change of any
makes another unit, never a stale one. A shard is written under a temporary name
and renamed when whole; the manifest is written last, so that a unit that has
one is finished.
"""

import bisect
from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import numpy as np

from flan_jax.cache import identity, remote
from flan_jax.cache.engine_code import engine_digest
from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, in_format
from flan_jax.definitions.digests import digest, file_digest
from flan_jax.errors import UserError
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.sources.copies import copy_digest
from flan_jax.vocabulary.base import Vocabulary

# Raised when the files of a unit change their form. (What is in them is hashed,
# with the code that writes it.)
LAYOUT = 5

# Where the input stands in a PROMPT_FORMAT.
INPUT = '{input}'

TOKENS, SPANS, RENDERINGS = 'tokens.bin', 'spans.npy', 'renderings.npy'
ROWS, SHARD, MANIFEST = 'rows.jsonl', 'shard.json', 'manifest.json'
FILES = (TOKENS, SPANS, RENDERINGS, ROWS)

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


class CacheError(UserError):
  """A cache that is missing, damaged or of another making."""


@dataclasses.dataclass(frozen=True)
class CacheConfig:
  """What decides the tokens of a cache beside the dataset itself.

  Attributes:
    cache_dir: Where units lie.
    data_dir: TFDS data directory; None for TFDS's own default.
    lengths: Most tokens of one example's `inputs`, with what starts and
      separates them, and of its `targets`, with their end token.
    prompt_format: Text around '{input}', such as 'Q: {input} A:'; None to put
      only the end token after the input, as in the paper. A special token's
      name in it stands for that token.
    exemplar_separator: Text after the target of an exemplar; None for the end
      token.
  """

  cache_dir: str
  data_dir: str | None = None
  lengths: Mapping[str, int] = dataclasses.field(
    default_factory=lambda: dict(DEFAULT_LENGTHS)
  )
  prompt_format: str | None = None
  exemplar_separator: str | None = None

  def __post_init__(self):
    if set(self.lengths) != {'inputs', 'targets'}:
      raise ValueError(
        'TASK_FEATURE_LENGTHS has the keys inputs and targets, not '
        f'{sorted(self.lengths)}'
      )
    if self.prompt_format is not None and self.prompt_format.count(INPUT) != 1:
      raise ValueError(
        f'PROMPT_FORMAT {self.prompt_format!r} must contain {INPUT} exactly '
        f"once, as in '{INPUT} Answer:'"
      )


@dataclasses.dataclass(frozen=True)
class SplitKey:
  """Names a unit: a part, its split, the templates used (None: all), format."""

  part: str
  split: str
  templates: tuple[int, ...] | None = None
  format: str = 'instructions'

  def find_part(self) -> Dataset:
    """Returns the resolved part in the unit's format."""
    return in_format(registry.find_part(self.part)[1], self.format)

  def __str__(self) -> str:
    return f'{self.part}.{self.split}' + (
      '' if self.format == 'instructions' else f'.{self.format}'
    )


def _separator_ids(text: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
  """Returns the tokens of a separator, the end token where it is None."""
  if text is None:
    return (vocabulary.eos_id,)
  return tuple(vocabulary.encode_markup(text))


def _around_input(prompt_format: str | None) -> tuple[str, str | None]:
  """Returns the text before an input, and the text after it.

  >>> _around_input('Q: {input} A:'), _around_input(None)
  (('Q: ', ' A:'), ('', None))
  """
  if prompt_format is None:
    return '', None
  before, _, after = prompt_format.partition(INPUT)
  return before, after


def content_digest(
  part: Dataset,
  key: SplitKey,
  config: CacheConfig,
  vocabulary: Vocabulary,
  engine: str,
) -> str:
  """Returns the digest of all that decides a unit's tokens but the copy."""
  return digest(
    {
      'layout': LAYOUT,
      'engine': engine,
      'part': identity.describe_part(part),
      'vocabulary': vocabulary.digest,
      'lengths': dict(config.lengths),
      'prompt_format': config.prompt_format,
      'templates': key.templates,
    }
  )


def split_folder(
  key: SplitKey,
  config: CacheConfig,
  vocabulary: Vocabulary,
  copy: str,
  engine: str | None = None,
) -> str:
  """Returns the folder of a unit below the cache directory.

  Args:
    key: The unit.
    config: Its lengths and prompt format.
    vocabulary: Tokenizes it.
    copy: Digest of the TFDS copy.
    engine: Digest of the code that makes it; None for the code that runs.
  """
  dataset, _ = registry.find_part(key.part)
  content = content_digest(
    key.find_part(), key, config, vocabulary, engine or engine_digest()
  )
  return f'{dataset.name}/{key}-{content}-{copy}'


def token_dtype(vocabulary: Vocabulary) -> np.dtype:
  """Returns the type that holds every token of a vocabulary."""
  return np.dtype('<u2' if vocabulary.size <= 2**16 else '<u4')


def expanded(path: str) -> str:
  """Returns a path with the home directory in place of `~`."""
  return path if remote.is_remote(path) else os.path.expanduser(path)


def find_cached_split(
  key: SplitKey, config: CacheConfig, vocabulary: Vocabulary
) -> 'CachedSplit':
  """Opens a finished unit.

  Where the TFDS copy is present, the unit must be of that copy; on a worker
  that has the cache alone, there must be just one.

  Raises:
    CacheError: it is missing or ambiguous.
  """
  root = expanded(config.cache_dir)
  part = registry.find_part(key.part)[1]
  copy = copy_digest(part.source, config.data_dir)
  pattern = split_folder(key, config, vocabulary, copy or '*')
  found = remote.find(root, f'{pattern}/{MANIFEST}')
  if not found:
    reason = _made_by_other_code(root, key, config, vocabulary)
    raise CacheError(
      f'no cache of {key} in {root}{reason}: make it with `flan-jax cache` and '
      'the same gin files'
    )
  if len(found) > 1:
    raise CacheError(
      f'{len(found)} caches of {key}, of different copies of {part.source}: '
      f'{", ".join(found)}. Set DATA_DIR to the copy that is meant, or remove '
      'the others'
    )
  unit = open_cached_split(found[0].removesuffix(f'/{MANIFEST}'))
  if unit.manifest['vocabulary']['digest'] != vocabulary.digest:
    raise CacheError(
      f'{unit.path} says that it was made with another vocabulary: remove it '
      'and run `flan-jax cache` again'
    )
  return unit


def _made_by_other_code(
  root: str, key: SplitKey, config: CacheConfig, vocabulary: Vocabulary
) -> str:
  """Says of which version a unit is that would be the one but for the code."""
  dataset, _ = registry.find_part(key.part)
  for path in remote.find(root, f'{dataset.name}/{key}-*/{MANIFEST}'):
    folder = path.removesuffix(f'/{MANIFEST}')
    try:
      manifest = remote.read_json(path)
      engine, version = manifest['engine'], manifest['flan_jax']
    except (ValueError, KeyError, TypeError):
      continue  # Damaged, or of another layout.
    copy = folder.rpartition('-')[2]
    if folder.endswith(split_folder(key, config, vocabulary, copy, engine)):
      return f' but one that other code has made, of flan_jax {version}'
  return ''


def open_cached_split(path: str) -> 'CachedSplit':
  """Opens the unit in a folder; a remote one is copied to local disk first.

  Copies lie in `FLAN_JAX_LOCAL_CACHE`, by default below `~/.cache`, and are
  made once: a unit never changes.
  """
  if not remote.is_remote(path):
    return CachedSplit(pathlib.Path(path))
  manifest = remote.read_json(f'{path}/{MANIFEST}')
  names = [
    f'{shard["name"]}/{name}'
    for shard in manifest['shards']
    for name in (*FILES, SHARD)
  ]
  folder = os.environ.get('FLAN_JAX_LOCAL_CACHE', '~/.cache/flan_jax/copies')
  local = remote.local_copy(
    path, [*names, MANIFEST], pathlib.Path(folder).expanduser()
  )
  return CachedSplit(pathlib.Path(local))


def shard_name(index: int, count: int) -> str:
  """Returns the folder of a shard below its unit's.

  >>> shard_name(2, 16)
  'shard-00002-of-00016'
  """
  return f'shard-{index:05d}-of-{count:05d}'


class CachedSplit:
  """A finished unit, its tokens memory-mapped.

  Rows, renderings and spans are numbered through all shards.

  Attributes:
    path: Its folder.
    manifest: What `cache_writer` recorded.
    renderings: `RENDERING` [renderings], those of a row together.
    row_start: First rendering of each row, int64 [rows + 1].
    span_lengths: Tokens of each span, int64 [spans].
  """

  def __init__(self, path: pathlib.Path):
    self.path = pathlib.Path(path)
    self.manifest = _read_manifest(self.path / MANIFEST)
    self._check_sizes()
    shards = [self.path / shard['name'] for shard in self.manifest['shards']]
    dtype = np.dtype(self.manifest['dtype'])
    self._tokens = [_map_tokens(shard / TOKENS, dtype) for shard in shards]
    ends = [np.load(shard / SPANS) for shard in shards]
    renderings = [np.load(shard / RENDERINGS) for shard in shards]
    counts = [shard['counts'] for shard in self.manifest['shards']]
    spans = [len(end) - 1 for end in ends]
    # First row and span of each shard, and one past the last.
    rows = np.cumsum([0, *(count['rows'] for count in counts)])
    self._first_span = np.cumsum([0, *spans]).tolist()
    for shard, row, span in zip(
      renderings, rows, self._first_span, strict=False
    ):
      shard['row'] += row
      shard['first'] += span
    self.renderings = np.concatenate(renderings)
    self._first = self.renderings['first']
    self._targets_cut = self.renderings['targets_cut']
    # Where each span starts in the tokens of its shard.
    self._starts = np.concatenate([end[:-1] for end in ends])
    self.span_lengths = np.concatenate([np.diff(end) for end in ends])
    every_row = np.arange(self.num_rows + 1)
    self.row_start = np.searchsorted(self.renderings['row'], every_row)

  def _check_sizes(self):
    """Refuses truncated files at once; `verify` reads all of them."""
    for path, recorded in self._files():
      if not path.is_file() or path.stat().st_size != recorded['bytes']:
        raise CacheError(
          f'{path} is damaged or missing: remove {self.path} and run '
          '`flan-jax cache` again'
        )

  def _files(self):
    """Yields every file with what the manifest says of it."""
    for shard in self.manifest['shards']:
      for name, recorded in shard['files'].items():
        yield self.path / shard['name'] / name, recorded

  def verify(self) -> None:
    """Compares every file with its digest; raises CacheError if one differs."""
    for path, recorded in self._files():
      if file_digest(path) != recorded['sha256']:
        raise CacheError(
          f'{path} is damaged: remove {self.path} and run `flan-jax cache` '
          'again'
        )

  @property
  def name(self) -> str:
    return self.manifest['part']

  @functools.cached_property
  def _digest(self) -> str:
    digests = [
      shard['files'][name]['sha256']
      for shard in self.manifest['shards']
      for name in FILES
    ]
    return digest(digests)

  @property
  def digest(self) -> str:
    """Digest of the unit's contents."""
    return self._digest

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

  def prompt(self, index: int, framing: 'Framing') -> list[int]:
    """Returns the tokens before the target of a rendering."""
    return np.concatenate(self.prompt_parts(index, framing)).tolist()

  def prompt_parts(self, index: int, framing: 'Framing') -> list[np.ndarray]:
    """Returns the parts of a rendering's `prompt`; views, nothing copied."""
    span = self.span(self._first.item(index))
    return [framing.arrays.start, span, framing.arrays.separator]

  def example_parts(self, index: int, framing: 'Framing') -> list[np.ndarray]:
    """Returns what a training rendering's prompt and target are joined of."""
    parts = self.prompt_parts(index, framing)
    parts.append(self.span(self._first.item(index) + 1))
    if not self._targets_cut.item(index):
      parts.append(framing.arrays.end)
    return parts

  def prompt_lengths(self, framing: 'Framing') -> np.ndarray:
    """Returns the length of every rendering's `prompt`, int64 [renderings]."""
    inputs = self.span_lengths[np.asarray(self.renderings['first'])]
    return inputs + framing.prompt_overhead

  @functools.cached_property
  def rows(self) -> list[dict[str, Any]]:
    """The objects of rows.jsonl."""
    return list(self.read_rows())

  def read_rows(self) -> Iterator[dict[str, Any]]:
    """Yields what `rows` holds without keeping it."""
    for shard in self.manifest['shards']:
      with open(self.path / shard['name'] / ROWS, encoding='utf-8') as file:
        yield from map(json.loads, file)


def _read_manifest(path: pathlib.Path) -> dict[str, Any]:
  try:
    manifest = json.loads(path.read_text(encoding='utf-8'))
    layout = manifest['layout']
  except (ValueError, KeyError, TypeError, OSError) as error:
    raise CacheError(
      f'{path} is damaged or missing ({error}): remove {path.parent} and run '
      '`flan-jax cache` again'
    ) from error
  if layout != LAYOUT:
    raise CacheError(
      f'{path} has layout {layout}, this version reads {LAYOUT}: run '
      '`flan-jax cache` again'
    )
  return manifest


def _map_tokens(path: pathlib.Path, dtype: np.dtype) -> np.ndarray:
  if not path.stat().st_size:
    return np.zeros(0, dtype)  # An empty file cannot be mapped.
  # As a plain array, which is sliced ten times as fast.
  return np.asarray(np.memmap(path, dtype=dtype, mode='r'))


@dataclasses.dataclass(frozen=True)
class Framing:
  """What the spans of an example stand between.

  Attributes:
    start: Tokens before the input (BOS where the vocabulary has one, and what
      PROMPT_FORMAT puts before it).
    separator: Tokens between input and target.
    end: Tokens after a target that was not cut.
    between: Tokens after the target of an exemplar.
  """

  start: tuple[int, ...]
  separator: tuple[int, ...]
  end: tuple[int, ...]
  between: tuple[int, ...]

  @classmethod
  def of(cls, config: CacheConfig, vocabulary: Vocabulary) -> 'Framing':
    """Returns the framing of a run: [BOS] input SEP target EOS."""
    start = () if vocabulary.bos_id is None else (vocabulary.bos_id,)
    before, after = _around_input(config.prompt_format)
    return cls(
      start=(*start, *vocabulary.encode_markup(before)),
      separator=_separator_ids(after, vocabulary),
      end=(vocabulary.eos_id,),
      between=_separator_ids(config.exemplar_separator, vocabulary),
    )

  @functools.cached_property
  def arrays(self) -> 'FramingArrays':
    return FramingArrays(
      **{
        field.name: np.array(getattr(self, field.name), np.int32)
        for field in dataclasses.fields(self)
      }
    )

  @property
  def prompt_overhead(self) -> int:
    return len(self.start) + len(self.separator)

  def prompt(self, span: Sequence[int]) -> list[int]:
    return [*self.start, *span, *self.separator]

  def target(self, span: Sequence[int], cut: bool) -> list[int]:
    return [*span, *(() if cut else self.end)]


@dataclasses.dataclass(frozen=True)
class FramingArrays:
  """The tokens of a `Framing` as int32 arrays."""

  start: np.ndarray
  separator: np.ndarray
  end: np.ndarray
  between: np.ndarray
