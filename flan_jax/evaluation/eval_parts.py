"""Opens the evaluation splits of a mixture."""

from flan_jax.batches.training_splits import with_exemplars
from flan_jax.cache.cached_split import CachedSplit, SplitKey
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import names, registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.requests import EvalPart


def eval_parts(
  store: CacheStore, mixture: str, seed: int = 0
) -> list[EvalPart]:
  """Opens the test and validation splits of a mixture or task.

  Args:
    store: Where they are cached.
    mixture: The mixture or task.
    seed: Chooses exemplars.

  Raises:
    ConfigError: a member has no test rows.
  """
  parts = []
  for member in store.available(names.members(mixture), 'test'):
    _, part = registry.find_part(member.part)
    if not part.evaluates:
      raise ConfigError(f'{mixture}: {part.name} has no test split')
    test = store.find(SplitKey(part.name, 'test', None, member.format))
    if not test.num_rows:
      raise ConfigError(f'{mixture}: {part.name} has no test rows left')
    parts.append(_eval_part(store, member, test, seed))
  return parts


def _eval_part(
  store: CacheStore, member: registry.Member, test: CachedSplit, seed: int
) -> EvalPart:
  exemplars = registry.exemplar_part(member.part)
  if member.shots and exemplars is None:
    reason = 'no training rows to take exemplars from'
    return EvalPart(test=test, shots=member.shots, null=reason)
  pool = None
  if member.shots:
    pool = store.find(SplitKey(exemplars.name, 'train', None, member.format))
  framing, shots = store.framing, member.shots
  validation = validation_split(store, test.name, member.format)
  if validation is not None:
    validation = with_exemplars(validation, pool, shots, seed, framing)
  return EvalPart(
    test=with_exemplars(test, pool, shots, seed, framing),
    validation=validation,
    templates=member.templates,
    shots=shots,
  )


def validation_split(
  store: CacheStore, part_name: str, form: str = 'instructions'
) -> CachedSplit | None:
  """Opens the validation split of a part; None if it has none."""
  _, part = registry.find_part(part_name)
  if 'validation' not in part.splits:
    return None
  return store.find(SplitKey(part_name, 'validation', None, form))
