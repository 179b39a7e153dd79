"""Few-shot examples as a view of zero-shot ones (FLAN, section 4.4).

Exemplars are zero-shot training sequences with the template of the query:

  [BOS] input SEP target BETWEEN … input SEP target BETWEEN query SEP target EOS

BETWEEN is the end token by default, so that an exemplar looks like a training
example. Spans are tokenized separately, so cached ones are just concatenated.
"""

import dataclasses

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.definitions.digests import digest
from flan_jax.rendering.exemplars import (
  PER_ROW,
  Exemplars,
  choose,
  exemplar_keys,
  most_tokens,
)


class FewShotSplit(CachedSplit):
  """A split whose examples have exemplars."""

  def __init__(
    self,
    split: CachedSplit,
    pool: CachedSplit,
    shots: int,
    seed: int,
    framing: Framing,
    kind: Exemplars = PER_ROW,
  ):
    """Opens the view.

    Args:
      split: The zero-shot split.
      pool: A training split of the same dataset and format.
      shots: Maximum number of exemplars of an example.
      seed: Chooses the exemplars.
      framing: Tokens between the spans.
      kind: Whether all rows have the same exemplars, if they are evaluated.

    Raises:
      ValueError: The pool is not a training split of the dataset.
    """
    about = pool.manifest['split'], pool.manifest['dataset']
    if about != ('train', split.manifest['dataset']):
      raise ValueError(f'{split.name}: exemplars come from its training rows')
    super().__init__(split.path, split.part)
    self.pool = pool
    self.shots = shots
    self._seed = seed
    self._framing = framing
    self._kind = kind
    chosen = self._choose()
    self._exemplars = self._fit(chosen)
    # The exemplars of a rendering before too long ones are dropped, in the
    # mean.
    self.exemplars_found = (chosen >= 0).sum() / max(1, len(chosen))

  @property
  def digest(self) -> str:
    about = [super().digest, self.pool.digest, self.shots, self._seed]
    framing = dataclasses.asdict(self._framing)
    if self._kind != PER_ROW:
      about.append(self._kind)
    return digest([*about, framing, self._most_tokens])

  @property
  def _most_tokens(self) -> int:
    return most_tokens(self.manifest['lengths'])

  def _choose(self) -> np.ndarray:
    """Returns exemplars of every rendering, int32 [n, shots]; -1 for none."""
    chosen = np.full((len(self.renderings), self.shots), -1, np.int32)
    groups, keys = _groups_and_keys(self, self._seed, self._kind)
    pool_groups = groups
    if self.pool.path != self.path:
      pool_groups, _ = _groups_and_keys(self.pool, self._seed, self._kind)
    templates = self.renderings['template']
    for template in np.unique(templates):
      members = np.flatnonzero(self.pool.renderings['template'] == template)
      queries = np.flatnonzero(templates == template)
      found = choose(
        pool_groups[members], groups[queries], keys[queries], self.shots
      )
      if members.size:
        chosen[queries] = np.where(found < 0, -1, members[found])
    return chosen

  def _fit(self, chosen: np.ndarray) -> np.ndarray:
    """Drops exemplars from the end until they and the query fit."""
    lengths = _exemplar_lengths(self.pool, self._framing)[chosen]
    total = super().prompt_lengths(self._framing)[:, None]
    total = total + np.cumsum(lengths, axis=1)
    return np.where(total <= self._most_tokens, chosen, -1)

  def exemplars(self, index: int) -> np.ndarray:
    """Returns the exemplars of a rendering, as pool renderings in order."""
    chosen = self._exemplars[index]
    return chosen[chosen >= 0]

  @property
  def exemplar_counts(self) -> np.ndarray:
    """The number of exemplars of each rendering, int64 [renderings]."""
    return (self._exemplars >= 0).sum(axis=1)

  def prompt_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    start, *query = super().prompt_parts(index, framing)
    parts = [start]
    chosen = self.exemplars(index)
    for first in self.pool.renderings['first'][chosen].tolist():
      parts += (
        self.pool.span(first),
        framing.arrays.separator,
        self.pool.span(first + 1),
        framing.arrays.between,
      )
    return parts + query

  def prompt_lengths(self, framing: Framing) -> np.ndarray:
    lengths = _exemplar_lengths(self.pool, framing)[self._exemplars]
    return super().prompt_lengths(framing) + lengths.sum(axis=1)


def _exemplar_lengths(pool: CachedSplit, framing: Framing) -> np.ndarray:
  """Returns the tokens of each exemplar; at -1 (no exemplar), 0."""
  first = np.asarray(pool.renderings['first'])
  spans = pool.span_lengths[first] + pool.span_lengths[first + 1]
  lengths = spans + len(framing.separator) + len(framing.between)
  return np.append(lengths, 0)


def _groups_and_keys(
  split: CachedSplit, seed: int, kind: Exemplars
) -> tuple[np.ndarray, np.ndarray]:
  """Returns group and key of every rendering's row, uint64 [renderings]."""
  about = [(row['id'], int(row['group'], 16)) for row in split.read_rows()]
  ids, groups = zip(*about, strict=True) if about else ((), ())
  rows = split.renderings['row']
  keys = exemplar_keys(ids, seed, kind)
  return np.array(groups, np.uint64)[rows], keys[rows]
