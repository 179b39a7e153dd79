"""The last line of `train_step`."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from benchmarks.common import figures
from benchmarks.common.comparison import Comparison, Runner
from benchmarks.train_step.shapes import CASES, Shape

OWN, OWN_LLAMA = 'flan_jax', 'flan_jax_llama'
TORCH = 'torch'
# The variable that names an interpreter that has the peer.
JAX_PEERS = {'t5x': 'FLAN_JAX_T5X_PYTHON', 'nanodo': 'FLAN_JAX_NANODO_PYTHON'}
SIDES = (OWN, OWN_LLAMA, TORCH, *JAX_PEERS)
# Not a side: it shows what the machine can do.
MATMUL = 'matmul'
# The modules of those that have another name.
MODULES = {OWN: 'own', OWN_LLAMA: 'own', TORCH: 'hugging_face'}

# Facts that are the same in all cases of a side.
_OF_A_SIDE = ('parameters', 'device', 'versions', 'threads', 'settings')


def summary(comparison: Comparison, shape: Shape) -> dict[str, Any]:
  """Returns the figures of one shape, `None` for what did not run."""
  sides = dict.fromkeys(turn.runner.side for turn in comparison.turns)
  sides.pop(MATMUL, None)
  peers = [side for side in sides if side not in (OWN, OWN_LLAMA)]
  ratios = {
    own: {
      case: {
        peer: ratio
        for peer in peers
        if (ratio := comparison.ratio(own, peer, [case]))
      }
      for case in CASES
    }
    for own in (OWN, OWN_LLAMA)
    if own in sides
  }
  described = {side: _described(comparison, shape, side) for side in sides}
  own, torch = (described.get(side, {}) for side in (OWN, TORCH))
  found: dict[str, Any] = {}
  for case, suffix in (('dense', ''), ('flan', '_flan')):
    for name in ('matmul_share', 'mfu'):
      found[name + suffix] = figures.median(own.get(case, {}).get(name))
    mine = ratios.get(OWN, {}).get(case, {})
    for name, among in (('torch', [TORCH]), ('best_jax_peer', JAX_PEERS)):
      medians = [mine[peer]['median'] for peer in among if peer in mine]
      found[f'ratio_to_{name}_{case}'] = min(medians, default=None)
  return {
    'peers': peers,
    **found,
    'matmul_flops_per_second': {
      case: figures.spread(comparison.rates(Runner(MATMUL), [case]))
      for case in CASES
    },
    'ratios': ratios,
    'versions': {**torch.get('versions', {}), **own.get('versions', {})},
    'sides': described,
    'failed': comparison.failures(),
    'model': dataclasses.asdict(shape),
  }


def _described(
  comparison: Comparison, shape: Shape, side: str
) -> dict[str, Any]:
  """Returns the figures of one side by case."""
  runner = Runner(side)
  described: dict[str, Any] = {}
  for case in CASES:
    facts = comparison.facts.get((runner, case), {})
    described |= {name: facts[name] for name in _OF_A_SIDE if name in facts}
    turns = comparison.of(runner, case)
    if not turns:
      continue
    rates = comparison.rates(runner, [case])
    # The FLOPs that this project's sides report count for every side.
    own: Mapping[str, Any] = {}
    for name in (OWN_LLAMA, OWN):
      own = comparison.facts.get((Runner(name), case), own)
    needed, peak = own.get('needed_flops', 0), own.get('peak_flops')
    flops = [needed / shape.tokens * rate for rate in rates]
    matmul = comparison.rates(Runner(MATMUL), [case])
    described[case] = {
      'tokens_per_second': figures.spread(rates),
      'tokens_per_cpu_second': figures.spread(
        comparison.rates(runner, [case], 'cpu_seconds')
      ),
      'model_flops_per_second': figures.spread(flops),
      'matmul_share': figures.spread(
        [rate / most for rate, most in zip(flops, matmul, strict=False)]
      ),
      'mfu': figures.spread([r / peak for r in flops] if peak else []),
      'peak_mib': max(turn.cost['peak_mib'] for turn in turns),
      'device_mib': max(turn.cost.get('device_mib') or 0 for turn in turns),
      'first_loss': facts['first_loss'],
    }
  return described
