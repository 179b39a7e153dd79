"""What a training run draws from the splits of a cache (no TensorFlow)."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.cache.cached_split import CachedSplit, Framing
from flan_jax.definitions import registry
from flan_jax.definitions.registry import Member

# SEED's default; another moves the fill in its third digit.
_SEED = 0


def describe_draws(
  members: Sequence[tuple[Member, CachedSplit | None]],
  framing: Framing,
  packing: PackingConfig,
  steps: int,
) -> dict[str, Any]:
  """Describes what a run of some members draws and how it is packed.

  Args:
    members: Each with its training split, or None where that is not there.
    framing: What stands between the spans.
    packing: Shape of a batch.
    steps: Of the run.

  Returns:
    {'packing': the settings, 'steps', 'missing': parts that are not there and
     not counted,
     'members': {'part', 'dataset', 'cluster', 'shots', 'rows', 'rate': draws
       of a mixture epoch, 'tokens': places it fills in packed rows in a mixture
       epoch, 'target_tokens': predicted ones among them, 'share': of the
       tokens, in percent, 'passes': how often the run goes over its rows},
     'clusters': the sums of rate, tokens, target_tokens and share,
     'epoch': {'draws', 'tokens', 'target_tokens', 'steps'},
     'epochs': mixture epochs of the run,
     'target_budget': predicted tokens that a row holds,
     'fill': share of the places of window 0 that hold tokens,
     'error': why a run would be refused, empty where it would not}. What
    cannot be said because of the error is None.
  """
  here = [
    (member, _view(split, member, framing))
    for member, split in members
    if split is not None
  ]
  described = [_describe_member(*item, framing) for item in here]
  total = sum(member['tokens'] for member in described)
  for member in described:
    member['share'] = 100 * member['tokens'] / total if total else None
  found = {
    'packing': dataclasses.asdict(packing),
    'steps': steps,
    'missing': [member.part for member, split in members if split is None],
    'members': described,
    'clusters': _clusters(described),
    'epoch': {
      'draws': sum(member['rate'] for member in described),
      'tokens': total,
      'target_tokens': sum(member['target_tokens'] for member in described),
      'steps': None,
    },
    'epochs': None,
    **_pack([split for _, split in here], framing, packing),
  }
  steps_per_epoch = found.pop('steps_per_epoch')
  if steps_per_epoch:
    found['epoch']['steps'] = steps_per_epoch
    found['epochs'] = steps / steps_per_epoch
  for member in described:
    member['passes'] = None
    if steps_per_epoch:
      member['passes'] = found['epochs'] * member['rate'] / member['rows']
  return found


def _view(split: CachedSplit, member: Member, framing: Framing) -> CachedSplit:
  if not member.shots:
    return split
  return FewShotSplit(split, split, member.shots, _SEED, framing)


def _describe_member(
  member: Member, split: CachedSplit, framing: Framing
) -> dict[str, Any]:
  dataset, part = registry.find_part(member.part)
  rate, tokens, targets = 0, 0.0, 0.0
  if split.num_rows:
    sampler = Sampler([split], framing, _SEED)
    (rate,), epochs = sampler.rates, sampler.epochs_per_window
    tokens, targets = (count / epochs for count in sampler.expected())
  return {
    'part': part.name,
    'dataset': dataset.name,
    'cluster': part.cluster,
    'shots': member.shots,
    'rows': split.num_rows,
    'rate': rate,
    'tokens': round(tokens),
    'target_tokens': round(targets),
  }


def _clusters(members: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
  sums: dict[str, dict[str, Any]] = {}
  for member in members:
    cluster = sums.setdefault(member['cluster'], {})
    for name in ('rate', 'tokens', 'target_tokens', 'share'):
      cluster[name] = cluster.get(name, 0) + (member[name] or 0)
  return [{'cluster': name, **cluster} for name, cluster in sums.items()]


def _pack(
  splits: Sequence[CachedSplit], framing: Framing, packing: PackingConfig
) -> dict[str, Any]:
  """Plans a window; a run that would be refused is described as such."""
  found = {
    'target_budget': None,
    'steps_per_epoch': None,
    'fill': None,
    'error': '',
  }
  try:
    sampler = Sampler(splits, framing, _SEED)
    plan = BatchPlan(sampler, packing)
    found['target_budget'] = plan.capacity.targets
    found['steps_per_epoch'] = plan.steps_per_window / sampler.epochs_per_window
    found['fill'] = plan.fill()
  # A PackingError, or the sampler's, which refuses a split without rows.
  except ValueError as error:
    found['error'] = str(error)
  return found
