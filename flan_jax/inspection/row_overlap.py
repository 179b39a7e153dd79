"""Finds texts that are both trained on and evaluated (imports TensorFlow)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import dataclasses
import hashlib
import unicodedata

import tensorflow as tf

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.rendering.source import (
  SplitSource,
  plain_tensorflow,
)
from flan_jax.rendering.splits import MissingDataError

# Normalized characters; shorter main texts are alike by chance ("Good film.").
MIN_LENGTH = 20

_EVALUATED_SPLITS = ('validation', 'test')
_TRAINED_SPLITS = ('train',)
_EXAMPLES = 3
_EXAMPLE_WIDTH = 120
_BATCH = 512


@dataclasses.dataclass(frozen=True)
class Example:
  """One text that is evaluated and trained on.

  Attributes:
    text: Its beginning, as the trained row has it.
    evaluated_id: `id` of an evaluated row, see `source.SplitSource`.
    trained_id: `id` of a trained row.
  """

  text: str
  evaluated_id: str
  trained_id: str


@dataclasses.dataclass(frozen=True)
class Overlap:
  """What an evaluated and a trained part share.

  Attributes:
    evaluated: Name of the evaluated part.
    trained: Name of the trained part.
    derived: Whether one of their datasets is declared to be made from the
      other.
    groups: Groups of evaluated rows that have a trained main text.
    evaluated_rows: Evaluated rows that have one.
    trained_rows: Trained rows that have an evaluated main text.
    examples: The first shared texts.
  """

  evaluated: str
  trained: str
  derived: bool
  groups: int
  evaluated_rows: int
  trained_rows: int
  examples: tuple[Example, ...]


@dataclasses.dataclass(frozen=True)
class Compared:
  """The rows that were compared and what they share.

  Attributes:
    evaluated: Evaluated part -> rows compared, those of validation and test.
    trained: Trained part -> rows compared.
    short: Rows among them whose main texts are too short to tell anything.
    missing: Part -> why it was not compared.
    overlaps: Pairs of parts that share a main text.
  """

  evaluated: Mapping[str, int]
  trained: Mapping[str, int]
  short: int
  missing: Mapping[str, str]
  overlaps: tuple[Overlap, ...]

  @property
  def undeclared(self) -> tuple[Overlap, ...]:
    return tuple(o for o in self.overlaps if not o.derived)


def compare_rows(
  trained: Sequence[str], evaluated: Sequence[str], data_dir: str | None = None
) -> Compared:
  """Compares the main texts of trained and evaluated rows.

  Trained rows are those of the split `train`, evaluated ones those of
  `validation` and
  `test`, after slices and filters. A row's main texts are the fields that its
  dataset names as `truncatable`, each by itself (either language of a
  translation), or all its fields together where those are empty. A group of
  evaluated rows leaks if a main text of its rows equals one of a trained row
  after `normalize`; texts of fewer than `MIN_LENGTH` characters are passed
  over. Texts that contain one another, or say the same in other words, are not
  found.

  Memory holds a 64-bit hash of every evaluated main text with the ids of its
  rows; the trained side streams past.

  Args:
    trained: Names of parts.
    evaluated: Names of parts.
    data_dir: TFDS data directory; None for TFDS's own default. Parts without
      rows there are reported as missing.
  """
  missing: dict[str, str] = {}
  left = _open(evaluated, _EVALUATED_SPLITS, data_dir, missing)
  right = _open(trained, _TRAINED_SPLITS, data_dir, missing)
  if not left or not right:
    return Compared({}, {}, 0, missing, ())
  index = _Index(left)
  for name, source in left.items():
    for row in _rows(source, _EVALUATED_SPLITS):
      index.add(name, row)
  overlaps, counts, short = [], {}, index.short
  for name, source in right.items():
    hits: dict[str, _Hits] = {}
    counts[name] = 0
    for row in _rows(source, _TRAINED_SPLITS):
      counts[name] += 1
      short += not row.texts
      index.match(row, hits)
    overlaps += [
      hits[other].summary(other, name) for other in left if other in hits
    ]
  order = list(left)
  overlaps.sort(key=lambda o: order.index(o.evaluated))
  return Compared(index.rows, counts, short, missing, tuple(overlaps))


def declared_derived(one: Dataset, other: Dataset) -> bool:
  """Whether either dataset is declared to be made from the other."""
  return other.name in one.derived_from or one.name in other.derived_from


def normalize(text: str) -> str:
  r"""Returns what two texts share if only their typography differs.

  Compatibility forms are resolved (NFKC), case is lowered, and only letters,
  marks and numbers stay.

  >>> normalize('The “ﬁrst” \n  rain, at last!')
  'thefirstrainatlast'
  """
  return unicodedata.normalize('NFKC', text).lower().translate(_KEPT)


class _Kept(dict):
  """Code point -> itself, or None where `normalize` drops it; fills itself."""

  def __missing__(self, code: int) -> int | None:
    keep = unicodedata.category(chr(code))[0] in 'LMN'
    return self.setdefault(code, code if keep else None)


_KEPT = _Kept()


@dataclasses.dataclass(frozen=True)
class _Row:
  """A row with its main texts that are long enough, by hash."""

  id: str
  group: int
  texts: dict[bytes, str]


@dataclasses.dataclass
class _Hits:
  """What one trained part was found to share with an evaluated one."""

  groups: set[int] = dataclasses.field(default_factory=set)
  evaluated_rows: set[str] = dataclasses.field(default_factory=set)
  trained_rows: set[str] = dataclasses.field(default_factory=set)
  examples: dict[bytes, Example] = dataclasses.field(default_factory=dict)

  def summary(self, evaluated: str, trained: str) -> Overlap:
    one, _ = registry.find_part(evaluated)
    other, _ = registry.find_part(trained)
    return Overlap(
      evaluated=evaluated,
      trained=trained,
      derived=declared_derived(one, other),
      groups=len(self.groups),
      evaluated_rows=len(self.evaluated_rows),
      trained_rows=len(self.trained_rows),
      examples=tuple(self.examples.values()),
    )


class _Index:
  """Where the main texts of the evaluated side stand."""

  def __init__(self, parts: Iterable[str]):
    self.rows = dict.fromkeys(parts, 0)
    self.short = 0
    # Hash -> [(part, row id, group)].
    self._places: dict[bytes, list[tuple[str, str, int]]] = {}

  def add(self, part: str, row: _Row) -> None:
    """Adds an evaluated row."""
    self.rows[part] += 1
    self.short += not row.texts
    for key in row.texts:
      self._places.setdefault(key, []).append((part, row.id, row.group))

  def match(self, row: _Row, hits: dict[str, _Hits]) -> None:
    """Adds what a trained row shares to the hits, evaluated part -> hits."""
    for key, text in row.texts.items():
      for part, evaluated_id, group in self._places.get(key, ()):
        found = hits.setdefault(part, _Hits())
        found.groups.add(group)
        found.evaluated_rows.add(evaluated_id)
        found.trained_rows.add(row.id)
        if len(found.examples) < _EXAMPLES:
          found.examples.setdefault(
            key, Example(_beginning(text), evaluated_id, row.id)
          )


def _beginning(text: str) -> str:
  text = ' '.join(text.split())
  if len(text) <= _EXAMPLE_WIDTH:
    return text
  return text[: _EXAMPLE_WIDTH - 1] + '…'


def _open(
  parts: Sequence[str],
  wanted: Sequence[str],
  data_dir: str | None,
  missing: dict[str, str],
) -> dict[str, SplitSource]:
  """Returns part -> source; notes parts that have no rows to read."""
  sources = {}
  for name in parts:
    _, part = registry.find_part(name)
    if not any(split in part.splits for split in wanted):
      missing[name] = f'declares no split for {" or ".join(wanted)}'
      continue
    source = SplitSource(part, data_dir)
    try:
      _ = source.class_names, source.slices
    except MissingDataError as error:
      missing[name] = str(error)
    else:
      sources[name] = source
  return sources


def _rows(source: SplitSource, wanted: Sequence[str]) -> Iterator[_Row]:
  """Yields the rows of those of the wanted splits that a part has."""
  part = source.part
  for split in wanted:
    if split not in part.splits:
      continue
    rows = source.get_dataset(split, shuffle=False)
    rows = rows.map(
      plain_tensorflow(
        lambda row: (row['id'], row['group'], _main_texts(part, row))
      ),
      num_parallel_calls=tf.data.AUTOTUNE,
    )
    for batch in rows.batch(_BATCH).as_numpy_iterator():
      for key, group, texts in zip(*batch, strict=True):
        yield _Row(key.decode(), int(group), _hashed(texts))


def _main_texts(part: Dataset, row):
  """Returns the main texts of a mapped row, strings [texts] (TensorFlow).

  Where all are empty, each is the row's fields together.
  """
  texts = tf.stack([row[name] for name in part.truncatable_fields] or [''])
  whole = tf.strings.join([row[name] for name in part.fields], separator=' ')
  return tf.where(tf.reduce_all(tf.equal(texts, '')), whole, texts)


def _hashed(texts: Sequence[bytes]) -> dict[bytes, str]:
  hashed = {}
  for raw in texts:
    text = raw.decode('utf-8', 'replace')
    normal = normalize(text)
    if len(normal) >= MIN_LENGTH:
      key = hashlib.blake2b(normal.encode(), digest_size=8).digest()
      hashed[key] = text
  return hashed
