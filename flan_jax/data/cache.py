"""The token cache: units on disk, found and read without TensorFlow.

A unit holds one role of one part, rendered and tokenized:

  CACHE_DIR/<dataset>/<part>.<role>-<content>-<copy>/
    manifest.json   all that training and evaluation need to know
    tokens.bin      the tokens of all pieces, one after the other
    pieces.npy      where each piece ends, int64 [pieces + 1], from 0
    records.npy     one record a rendering, see `RECORD`
    rows.jsonl      one object a row: id, group, answer

`<content>` hashes templates, mapping, vocabulary and lengths, `<copy>` the
TFDS copy: a change of either makes another unit, never a stale one. A unit is
written under a temporary name and renamed when whole.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import json
import pathlib
from typing import Any

import numpy as np

from flan_jax.data import fingerprint, registry
from flan_jax.data.dataset import Dataset, in_format
from flan_jax.data.templates import options_block
from flan_jax.data.vocabulary import Vocabulary

# Raised when the files of a unit change their form.
LAYOUT = 2

# Lengths that bound one example, in tokens with what ends each piece; FLAN's.
DEFAULT_LENGTHS = {'inputs': 1024, 'targets': 256}

TOKENS, PIECES, RECORDS = 'tokens.bin', 'pieces.npy', 'records.npy'
ROWS, MANIFEST = 'rows.jsonl', 'manifest.json'

# A rendering: its row, template, first piece and number of pieces (the input,
# then the target in training and every option, or the target, in evaluation).
RECORD = np.dtype(
  [
    ('row', '<i4'),
    ('template', '<i2'),
    ('inputs_cut', 'u1'),
    ('targets_cut', 'u1'),
    ('pieces', '<u2'),
    ('first', '<i8'),
  ]
)


class CacheError(RuntimeError):
  """A cache that is missing, damaged or of another making."""


@dataclasses.dataclass(frozen=True)
class CacheConfig:
  """What decides the tokens of a cache beside the dataset itself.

  Attributes:
    cache_dir: Where units lie.
    data_dir: TFDS data directory; None for TFDS's own default.
    lengths: Most tokens of one example's `inputs`, with what starts and
      separates them, and of its `targets`, with their end token.
    separator: Text between input and target; None for the end token, as in
      the paper.
    exemplar_separator: Text after the target of an exemplar; None for the end
      token.
  """

  cache_dir: str
  data_dir: str | None = None
  lengths: Mapping[str, int] = dataclasses.field(
    default_factory=lambda: dict(DEFAULT_LENGTHS)
  )
  separator: str | None = None
  exemplar_separator: str | None = None

  def __post_init__(self):
    if set(self.lengths) != {'inputs', 'targets'}:
      raise ValueError(
        'TASK_FEATURE_LENGTHS has the keys inputs and targets, not '
        f'{sorted(self.lengths)}'
      )


@dataclasses.dataclass(frozen=True)
class UnitKey:
  """Names a unit: a part, its role, the templates used (None: all), format."""

  part: str
  role: str
  templates: tuple[int, ...] | None = None
  format: str = 'instructions'

  def find_part(self) -> Dataset:
    """Returns the resolved part in the unit's format."""
    return in_format(registry.find_part(self.part)[1], self.format)

  def __str__(self) -> str:
    return f'{self.part}.{self.role}' + (
      '' if self.format == 'instructions' else f'.{self.format}'
    )


def _separator_ids(text: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
  """Returns the tokens of a separator, the end token where it is None."""
  if text is None:
    return (vocabulary.eos_id,)
  return tuple(vocabulary.encode(text))


def renderings_of(rows: int) -> int:
  """Returns how many renderings a training row gets: clip(30,000/rows, 1, 10).

  >>> renderings_of(2290), renderings_of(5000), renderings_of(30000)
  (10, 6, 1)
  """
  return int(np.clip(30_000 // max(rows, 1), 1, 10))


def content_digest(
  part: Dataset, key: UnitKey, config: CacheConfig, vocabulary: Vocabulary
) -> str:
  """Returns the digest of all that decides a unit's tokens but the copy."""
  return fingerprint.digest(
    {
      'layout': LAYOUT,
      'part': fingerprint.describe_part(part),
      'options': options_block(['a', 'b']),
      'vocabulary': vocabulary.digest,
      'lengths': dict(config.lengths),
      'separator': config.separator,
      'templates': key.templates,
    }
  )


def unit_name(
  key: UnitKey, config: CacheConfig, vocabulary: Vocabulary, copy: str
) -> str:
  """Returns the folder of a unit below the cache directory."""
  dataset, _ = registry.find_part(key.part)
  content = content_digest(key.find_part(), key, config, vocabulary)
  return f'{dataset.name}/{key}-{content}-{copy}'


def find_unit(
  key: UnitKey, config: CacheConfig, vocabulary: Vocabulary
) -> 'Unit':
  """Opens a finished unit.

  Where the TFDS copy is present, the unit must be of that copy; on a worker
  that has the cache alone, there must be just one.

  Raises:
    CacheError: it is missing or ambiguous.
  """
  root = pathlib.Path(config.cache_dir).expanduser()
  _, part = registry.find_part(key.part)
  copy = fingerprint.copy_digest(part.source, config.data_dir)
  pattern = unit_name(key, config, vocabulary, copy or '*')
  found = sorted(p for p in root.glob(pattern) if (p / MANIFEST).is_file())
  if not found:
    raise CacheError(
      f'no cache of {key} in {root}: make it with '
      '`flan-jax cache` and the same gin files'
    )
  if len(found) > 1:
    raise CacheError(
      f'{len(found)} caches of {key}, of different copies of '
      f'{part.source}: {", ".join(map(str, found))}. Set DATA_DIR to the copy '
      'that is meant, or remove the others'
    )
  return Unit(found[0])


class Unit:
  """A finished unit, memory-mapped.

  Attributes:
    path: Its folder.
    manifest: What `cache_writer` recorded.
    records: Renderings, `RECORD` [records], the renderings of a row together.
    row_start: First record of each row, int64 [rows + 1].
  """

  def __init__(self, path: pathlib.Path):
    self.path = pathlib.Path(path)
    self.manifest = json.loads((self.path / MANIFEST).read_text())
    self._check_sizes()
    self.records = np.load(self.path / RECORDS, mmap_mode='r')
    self._ends = np.load(self.path / PIECES, mmap_mode='r')
    self._tokens = self._map_tokens()
    rows = np.asarray(self.records['row'])
    self.row_start = np.searchsorted(rows, np.arange(self.num_rows + 1))

  def _map_tokens(self) -> np.ndarray:
    dtype = np.dtype(self.manifest['dtype'])
    if not self.manifest['counts']['tokens']:
      return np.zeros(0, dtype)
    return np.memmap(self.path / TOKENS, dtype=dtype, mode='r')

  def _check_sizes(self):
    """Refuses truncated files at once; `verify` reads all of them."""
    for name, recorded in self.manifest['files'].items():
      path = self.path / name
      if not path.is_file() or path.stat().st_size != recorded['bytes']:
        raise CacheError(
          f'{path} is damaged or missing: remove {self.path} and run '
          '`flan-jax cache` again'
        )

  def verify(self) -> None:
    """Compares every file with its digest; raises CacheError if one differs."""
    for name, recorded in self.manifest['files'].items():
      if fingerprint.file_digest(self.path / name) != recorded['sha256']:
        raise CacheError(
          f'{self.path / name} is damaged: remove {self.path} and run '
          '`flan-jax cache` again'
        )

  @property
  def name(self) -> str:
    return self.manifest['part']

  @property
  def digest(self) -> str:
    """Digest of the unit's contents."""
    files = self.manifest['files']
    return fingerprint.digest({n: files[n]['sha256'] for n in sorted(files)})

  @property
  def num_rows(self) -> int:
    return self.manifest['counts']['rows']

  def piece(self, index: int) -> np.ndarray:
    """Returns the tokens of one piece."""
    return self._tokens[self._ends[index] : self._ends[index + 1]]

  def pieces(self, record: np.void) -> list[np.ndarray]:
    """Returns the pieces of one record: input, then target or options."""
    first = int(record['first'])
    return [self.piece(first + i) for i in range(int(record['pieces']))]

  def prompt(self, index: int, framing: 'Framing') -> list[int]:
    """Returns the tokens before the target of a record."""
    return framing.prompt(self.piece(int(self.records[index]['first'])))

  def prompt_lengths(self, framing: 'Framing') -> np.ndarray:
    """Returns the length of every record's `prompt`, int64 [records]."""
    inputs = self.piece_lengths[np.asarray(self.records['first'])]
    return inputs + framing.prompt_overhead

  @functools.cached_property
  def piece_lengths(self) -> np.ndarray:
    """Tokens of each piece, int64 [pieces]."""
    return np.diff(self._ends)

  @functools.cached_property
  def rows(self) -> list[dict[str, Any]]:
    """The objects of rows.jsonl."""
    with open(self.path / ROWS, encoding='utf-8') as file:
      return [json.loads(line) for line in file]


@dataclasses.dataclass(frozen=True)
class Framing:
  """What the pieces of an example stand between.

  Attributes:
    start: Tokens before the input (BOS where the vocabulary has one).
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
    return cls(
      start=start,
      separator=_separator_ids(config.separator, vocabulary),
      end=(vocabulary.eos_id,),
      between=_separator_ids(config.exemplar_separator, vocabulary),
    )

  @property
  def prompt_overhead(self) -> int:
    return len(self.start) + len(self.separator)

  def prompt(self, piece: Sequence[int]) -> list[int]:
    return [*self.start, *piece, *self.separator]

  def target(self, piece: Sequence[int], cut: bool) -> list[int]:
    return [*piece, *(() if cut else self.end)]
