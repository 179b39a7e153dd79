"""Opens the training splits of a mixture."""

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.permuted_targets import PermutedTargets
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.cache.store import CacheStore, split_key
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.errors import ConfigError
from flan_jax.rendering.exemplars import PER_ROW, Exemplars


def training_splits(
  store: CacheStore,
  plan: MixturePlan,
  seed: int = 0,
  permute_targets: bool = False,
) -> list[CachedSplit]:
  """Opens the training splits of a mixture or task.

  Args:
    store: Finds the splits.
    plan: The mixture or task.
    seed: Chooses exemplars and permutes targets.
    permute_targets: Whether examples take the targets of other rows.

  Raises:
    ConfigError: A member has no training rows.
  """
  splits = []
  for member in store.available(plan.members, 'train'):
    if not member.part.trains:
      raise ConfigError(
        f'{plan.name}: {member.part.name} has no training split'
      )
    split = store.find(split_key(member, 'train'))
    split = with_exemplars(split, split, member.shots, seed, store.framing)
    splits.append(PermutedTargets(split, seed) if permute_targets else split)
  return splits


def with_exemplars(
  split: CachedSplit,
  pool: CachedSplit | None,
  shots: int,
  seed: int,
  framing: Framing,
  kind: Exemplars = PER_ROW,
) -> CachedSplit:
  """Returns a split with exemplars from a pool; unchanged without shots."""
  if not shots:
    return split
  return FewShotSplit(split, pool, shots, seed, framing, kind)
