"""Opens the training splits of a mixture."""

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.cache.cached_split import CachedSplit, Framing, SplitKey
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import names, registry
from flan_jax.errors import ConfigError


def training_splits(
  store: CacheStore, mixture: str, seed: int = 0
) -> list[CachedSplit]:
  """Opens the training splits of a mixture or task.

  Args:
    store: Where they are cached.
    mixture: The mixture or task.
    seed: Chooses exemplars.

  Raises:
    ConfigError: a member has no training rows.
  """
  splits = []
  for member in store.available(names.members(mixture), 'train'):
    _, part = registry.find_part(member.part)
    if not part.trains:
      raise ConfigError(f'{mixture}: {part.name} has no training split')
    split = store.find(
      SplitKey(part.name, 'train', member.templates, member.format)
    )
    splits.append(
      with_exemplars(split, split, member.shots, seed, store.framing)
    )
  return splits


def with_exemplars(
  split: CachedSplit,
  pool: CachedSplit | None,
  shots: int,
  seed: int,
  framing: Framing,
) -> CachedSplit:
  """Returns a split with exemplars from a pool; unchanged without shots."""
  return FewShotSplit(split, pool, shots, seed, framing) if shots else split
