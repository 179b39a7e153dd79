"""The parts of an evaluation, opened from the cache."""

from collections.abc import Sequence
import dataclasses

from flan_jax.batches.training_splits import with_exemplars
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.store import CacheStore
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.mixture_plan import MixturePlan, PlanMember
from flan_jax.errors import ConfigError
from flan_jax.evaluation.metrics import choice_metrics, text_metrics
from flan_jax.rendering.exemplars import PER_ROW, Exemplars


@dataclasses.dataclass(frozen=True)
class EvalPart:
  """One part to evaluate.

  Attributes:
    test: Split whose rows are reported; its `part` is the one evaluated.
    validation: Split whose rows choose the template, if there is one.
    templates: The templates to evaluate; None for every ordinary one.
    shots: Most exemplars before each example.
    soft_prompt: The ids of the prompt vectors before each example.
    null: Why the part cannot be evaluated; empty if it can.
  """

  test: CachedSplit
  validation: CachedSplit | None = None
  templates: Sequence[int] | None = None
  shots: int = 0
  soft_prompt: tuple[int, ...] = ()
  null: str = ''

  @property
  def splits(self) -> tuple[CachedSplit, ...]:
    """The splits to score."""
    splits = () if self.null else (self.test, self.validation)
    return tuple(split for split in splits if split is not None)


def eval_parts(
  store: CacheStore,
  plan: MixturePlan,
  seed: int = 0,
  exemplars: Exemplars = PER_ROW,
) -> list[EvalPart]:
  """Opens the test and validation splits of a mixture.

  Args:
    store: Finds the splits.
    plan: The mixture.
    seed: Draws exemplars.
    exemplars: Whether all rows of a split have the same.

  Raises:
    ConfigError: a member has no test rows, or an unknown metric.
  """
  parts = []
  for member in store.available(plan.members, 'test'):
    part = member.part
    if not part.evaluates:
      raise ConfigError(f'{plan.name}: {part.name} has no test split')
    for metric in part.metrics:
      if metric not in text_metrics.METRICS:
        choice_metrics.find(metric)
    test = store.find(SplitKey(part, 'test'))
    if not test.num_rows:
      raise ConfigError(f'{plan.name}: no test rows of {part.name} are left')
    parts.append(_eval_part(store, member, test, seed, exemplars))
  return parts


def _eval_part(
  store: CacheStore,
  member: PlanMember,
  test: CachedSplit,
  seed: int,
  exemplars: Exemplars,
) -> EvalPart:
  pool, shots = None, member.shots
  if shots:
    if member.exemplar_part is None:
      reason = 'no training rows to take exemplars from'
      return EvalPart(test, shots=shots, null=reason)
    pool = store.find(SplitKey(member.exemplar_part, 'train'))
  validation = validation_split(store, member.part)
  test, validation = (
    split and with_exemplars(split, pool, shots, seed, store.framing, exemplars)
    for split in (test, validation)
  )
  return EvalPart(test, validation, member.templates, shots)


def validation_split(store: CacheStore, part: Dataset) -> CachedSplit | None:
  """Opens the validation split of a part; None if it has none."""
  if 'validation' not in part.splits:
    return None
  return store.find(SplitKey(part, 'validation'))
