"""Finds the cached splits of a run; a child process makes missing ones."""

from collections.abc import Sequence
import dataclasses

from flan_jax.cache.cached_split import (
  CacheConfig,
  CachedSplit,
  CacheError,
  Framing,
  SplitKey,
  find_cached_split,
)
from flan_jax.definitions import names, registry
from flan_jax.runtime import child
from flan_jax.sources.mini import resolve_data_dir
from flan_jax.vocabulary.base import Vocabulary


def flat(
  mixtures: Sequence[str | Sequence[str] | None],
) -> list[str]:
  """Returns each name once, including those in nested lists.

  >>> flat(['flan_eval_nli', ['rte', 'cb'], None, 'rte'])
  ['flan_eval_nli', 'rte', 'cb']
  """
  found = []
  for entry in mixtures:
    if isinstance(entry, str):
      found.append(entry)
    elif entry is not None:
      found += flat(entry)
  return list(dict.fromkeys(found))


def split_keys(
  mixtures: Sequence[str | None], training: bool = True
) -> list[SplitKey]:
  """Returns the splits needed to train on mixtures, or to evaluate them.

  Both need validation rows: training monitors them, and evaluation chooses the
  template with them. Few-shot evaluation also needs training rows.

  Args:
    mixtures: Mixtures or tasks; None is skipped.
    training: Whether a task named by itself is also trained on.

  Raises:
    UnknownNameError: an unknown name; suggests the three nearest.
  """
  keys = []
  for name in mixtures:
    if name is None:
      continue
    needed = splits_needed(name, training)
    for member in names.members(name):
      _, part = registry.find_part(member.part)
      for split in needed:
        if split in part.splits:
          templates = member.templates if split == 'train' else None
          keys.append(SplitKey(part.name, split, templates, member.format))
      pool = registry.exemplar_part(part.name)
      if member.shots and pool is not None and 'test' in needed:
        keys.append(SplitKey(pool.name, 'train', None, member.format))
  return list(dict.fromkeys(keys))


def splits_needed(mixture: str, training: bool = True) -> tuple[str, ...]:
  """Returns which splits of a mixture or task are read."""
  found = names.find_mixture(mixture)
  if not training:
    return ('validation', 'test')
  if found is None:
    return ('train', 'validation', 'test')
  return {'train': ('train', 'validation'), 'eval': ('validation', 'test')}[
    found.purpose
  ]


class CacheStore:
  """Finds cached splits, and has `flan-jax cache` make missing ones.

  The child process needs TensorFlow; this process never does.

  Attributes:
    left_out: Splits that are missing and were left out, by name.
  """

  def __init__(
    self,
    config: CacheConfig,
    vocabulary: Vocabulary,
    flags: Sequence[str] | None = None,
    allow_missing: bool = False,
  ):
    """Initializes the store.

    Args:
      config: Directories and lengths.
      vocabulary: The vocabulary of the tokens.
      flags: Flags of the child process; None: nothing is made.
      allow_missing: Leaves out members whose splits cannot be made.
    """
    data_dir = resolve_data_dir(config.data_dir, config.cache_dir)
    self._config = dataclasses.replace(config, data_dir=data_dir)
    self._vocabulary = vocabulary
    self._flags = flags
    self._allow_missing = allow_missing
    self.left_out: list[str] = []

  @property
  def framing(self) -> Framing:
    return Framing.of(self._config, self._vocabulary)

  def missing(self, keys: Sequence[SplitKey]) -> list[SplitKey]:
    """Returns the splits that are not cached yet."""
    found = []
    for key in keys:
      try:
        find_cached_split(key, self._config, self._vocabulary)
      except CacheError:
        found.append(key)
    return found

  def ensure(self, keys: Sequence[SplitKey]) -> None:
    """Has missing splits made.

    Raises:
      CacheError: they could not be made; the child has printed why.
    """
    missing = self.missing(keys)
    if not missing:
      return
    if self._flags is None:
      self.find(missing[0])
    print(f'caching {len(missing)} splits first', flush=True)
    if not child.succeeds('cache', self._flags):
      raise CacheError('the cache could not be made, see above')

  def find(self, key: SplitKey) -> CachedSplit:
    """Opens a split; raises CacheError if it is missing or damaged."""
    split = find_cached_split(key, self._config, self._vocabulary)
    split.verify()
    return split

  def available(
    self, members: Sequence[registry.Member], split: str
  ) -> list[registry.Member]:
    """Returns the members whose split is cached.

    All members, unless missing ones may be left out. Those left out are added
    to `left_out`.
    """
    found = []
    for member in members:
      _, part = registry.find_part(member.part)
      templates = member.templates if split == 'train' else None
      key = SplitKey(part.name, split, templates, member.format)
      if self._allow_missing and split in part.splits and self.missing([key]):
        self.left_out.append(str(key))
      else:
        found.append(member)
    return found
