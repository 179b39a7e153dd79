"""Few-shot examples as a view of zero-shot ones (FLAN, section 4.4).

Exemplars are zero-shot training sequences under the query's own template, one
after the other before the query:

  [BOS] input SEP target BETWEEN … input SEP target BETWEEN query SEP target EOS

BETWEEN is the end token by default, so that an exemplar looks like what the
model was trained on. Pieces are tokenized apart, so that the concatenation of
cached spans is exact and nothing is rendered or tokenized again.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses

import numpy as np

from flan_jax.batches.sampler import key_of, permute
from flan_jax.cache import identity
from flan_jax.cache.cached_split import CachedSplit, Framing

# FLAN keeps exemplars and query within 960 of 1,024 input tokens.
MARGIN = 64

# Candidates looked at first beyond the exemplars wanted; more where groups of
# the query fill these.
_SPARE = 2


def most_tokens(lengths: Mapping[str, int]) -> int:
  """Returns how long a prompt may become by its exemplars, in tokens.

  >>> most_tokens({'inputs': 1024, 'targets': 256})
  960
  """
  return lengths['inputs'] - MARGIN


def choose(
  pool_groups: np.ndarray,
  query_groups: np.ndarray,
  query_ids: Sequence[str],
  shots: int,
  seed: int,
) -> np.ndarray:
  """Chooses exemplars by (seed, row), never of the query's own group.

  The order of the pool is permuted by a key of seed and row id, and its first
  members of other groups are taken.

  >>> choose(np.array([1, 1, 2, 3]), np.array([1]), ['a'], 3, seed=0).tolist()
  [[2, 3, -1]]

  Args:
    pool_groups: Group of every member of the pool, [pool].
    query_groups: Group of every query, [queries].
    query_ids: Row id of every query.
    shots: Exemplars wanted.
    seed: Of the choice.

  Returns:
    Indices into the pool, int32 [queries, shots]; -1 where there are no more.
  """
  keys = _keys(query_ids, seed)
  return _choose_by_key(pool_groups, query_groups, keys, shots)


def _keys(ids: Iterable[str], seed: int) -> np.ndarray:
  keys = [key_of('exemplars', seed, row) for row in ids]
  return np.array(keys, np.uint64)


def _choose_by_key(
  pool_groups: np.ndarray,
  query_groups: np.ndarray,
  keys: np.ndarray,
  shots: int,
) -> np.ndarray:
  size = len(pool_groups)
  chosen = np.full((len(keys), shots), -1, np.int32)
  todo, width = np.arange(len(keys)), min(size, shots + _SPARE)
  while todo.size and size:
    places = np.tile(np.arange(width), todo.size)
    members = permute(places, size, np.repeat(keys[todo], width))
    members = members.reshape(todo.size, width)
    other = pool_groups[members] != query_groups[todo][:, None]
    rank = np.cumsum(other, axis=1) - 1
    query, place = np.nonzero(other & (rank < shots))
    chosen[todo[query], rank[query, place]] = members[query, place]
    if width == size:
      break
    todo = todo[other.sum(axis=1) < shots]
    width = min(size, 4 * width)
  return chosen


class FewShotSplit(CachedSplit):
  """A split whose examples carry exemplars, in place of the zero-shot one.

  Attributes:
    pool: The training split that exemplars come from.
    shots: Most exemplars before an example.
  """

  def __init__(
    self,
    split: CachedSplit,
    pool: CachedSplit,
    shots: int,
    seed: int,
    framing: Framing,
  ):
    """Opens the view; raises ValueError where the pool is no training split.

    Args:
      split: The zero-shot split.
      pool: The training split of the same part and format.
      shots: Most exemplars before an example.
      seed: Of the choice.
      framing: What stands between the spans.
    """
    about = pool.manifest['split'], pool.manifest['dataset']
    if about != ('train', split.manifest['dataset']):
      raise ValueError(f'{split.name}: exemplars come from its training rows')
    super().__init__(split.path)
    self.pool = pool
    self.shots = shots
    self._seed = seed
    self._framing = framing
    self._exemplars = self._fit(self._choose())

  @property
  def digest(self) -> str:
    about = [super().digest, self.pool.digest, self.shots, self._seed]
    framing = dataclasses.asdict(self._framing)
    return identity.digest([*about, framing, self._most_tokens])

  @property
  def _most_tokens(self) -> int:
    return most_tokens(self.manifest['lengths'])

  def _choose(self) -> np.ndarray:
    """Returns pool renderings of every rendering, int32 [n, shots]."""
    chosen = np.full((len(self.renderings), self.shots), -1, np.int32)
    groups, keys = _groups_and_keys(self, self._seed)
    if self.pool.path == self.path:
      pool_groups = groups
    else:
      pool_groups, _ = _groups_and_keys(self.pool, self._seed)
    templates = self.renderings['template']
    for template in np.unique(templates):
      members = np.flatnonzero(self.pool.renderings['template'] == template)
      queries = np.flatnonzero(templates == template)
      found = _choose_by_key(
        pool_groups[members], groups[queries], keys[queries], self.shots
      )
      if members.size:
        chosen[queries] = np.where(found < 0, -1, members[found])
    return chosen

  def _fit(self, chosen: np.ndarray) -> np.ndarray:
    """Drops exemplars from the end until they fit with the query."""
    added = exemplar_lengths(self.pool, self._framing)
    lengths = added[chosen]
    total = super().prompt_lengths(self._framing)[:, None]
    total = total + np.cumsum(lengths, axis=1)
    return np.where(total <= self._most_tokens, chosen, -1)

  def exemplars(self, index: int) -> np.ndarray:
    """Returns the pool renderings that stand before a rendering, in order."""
    chosen = self._exemplars[index]
    return chosen[chosen >= 0]

  def prompt_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    start, *query = super().prompt_parts(index, framing)
    parts = [start]
    members = self.exemplars(index)
    for first in self.pool.renderings['first'][members].tolist():
      parts += (
        self.pool.span(first),
        framing.arrays.separator,
        self.pool.span(first + 1),
        framing.arrays.between,
      )
    return parts + query

  def prompt_lengths(self, framing: Framing) -> np.ndarray:
    added = exemplar_lengths(self.pool, framing)
    lengths = added[self._exemplars]
    return super().prompt_lengths(framing) + lengths.sum(axis=1)


def exemplar_lengths(pool: CachedSplit, framing: Framing) -> np.ndarray:
  """Returns the tokens that each rendering of a pool takes as an exemplar.

  The last is 0, for the index -1 of no exemplar.
  """
  first = np.asarray(pool.renderings['first'])
  spans = pool.span_lengths[first] + pool.span_lengths[first + 1]
  lengths = spans + len(framing.separator) + len(framing.between)
  return np.append(lengths, 0)


def _groups_and_keys(
  split: CachedSplit, seed: int
) -> tuple[np.ndarray, np.ndarray]:
  """Returns group and key of every rendering's row, uint64 [renderings]."""
  ids, groups = [], []
  for row in split.read_rows():
    ids.append(row['id'])
    groups.append(int(row['group'], 16))
  rows = split.renderings['row']
  return np.array(groups, np.uint64)[rows], _keys(ids, seed)[rows]
