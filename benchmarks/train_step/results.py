"""The last line of `train_step`."""

from collections.abc import Iterable, Mapping
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
# Modules that are not called as their side.
MODULES = {OWN: 'own', OWN_LLAMA: 'own', TORCH: 'hugging_face'}

# What is the same in all cases of a side.
_OF_A_SIDE = ('parameters', 'device', 'versions', 'threads', 'settings')

# Rate of large matrix products, in FLOP/s, by case and round.
MatmulRates = Mapping[tuple[str, int], float]


def summary(
  comparison: Comparison, shape: Shape, matmul: MatmulRates
) -> dict[str, Any]:
  """Returns the figures of one shape, `None` for what did not run."""
  sides = list(dict.fromkeys(turn.runner.side for turn in comparison.turns))
  owns = [side for side in sides if side in (OWN, OWN_LLAMA)]
  peers = [side for side in sides if side not in owns]
  ratios = {
    own: {
      case: {
        peer: ratio
        for peer in peers
        if (ratio := comparison.ratio(own, peer, [case]))
      }
      for case in CASES
    }
    for own in owns
  }
  described = {
    side: _described(comparison, shape, matmul, side) for side in sides
  }
  mine = ratios.get(OWN, {})
  own = described.get(OWN, {})
  shares = {
    name + suffix: figures.median(own.get(case, {}).get(name))
    for name in ('matmul_share', 'mfu')
    for case, suffix in (('dense', ''), ('flan', '_flan'))
  }
  return {
    'peers': peers,
    **{
      f'ratio_to_{name}_{case}': _lowest(mine.get(case, {}), among)
      for name, among in (('torch', (TORCH,)), ('best_jax_peer', JAX_PEERS))
      for case in CASES
    },
    **shares,
    'matmul_flops_per_second': {
      case: figures.spread(rates)
      for case in CASES
      if (rates := [rate for (of, _), rate in matmul.items() if of == case])
    },
    'ratios': ratios,
    'versions': {
      **described.get(TORCH, {}).get('versions', {}),
      **own.get('versions', {}),
    },
    'sides': described,
    'failed': comparison.failures(),
    'model': dataclasses.asdict(shape),
  }


def _described(
  comparison: Comparison, shape: Shape, matmul: MatmulRates, side: str
) -> dict[str, Any]:
  """Returns the figures of one side by case."""
  described: dict[str, Any] = {}
  for case in CASES:
    runner = Runner(side)
    facts = comparison.facts.get((runner, case), {})
    described |= {name: facts[name] for name in _OF_A_SIDE if name in facts}
    turns = comparison.of(runner, case)
    if not turns:
      continue
    rates = comparison.rates(runner, [case])
    cpu_rates = comparison.rates(runner, [case], 'cpu_seconds')
    needed = _of_own(comparison, 'needed_flops', case)
    peak = _of_own(comparison, 'peak_flops', case)
    flops = [needed * rate / shape.tokens for rate in rates] if needed else []
    shares = [
      rate / matmul[case, number]
      for number, rate in enumerate(flops)
      if (case, number) in matmul
    ]
    described[case] = {
      'tokens_per_second': figures.spread(rates),
      'tokens_per_cpu_second': figures.spread(cpu_rates),
      'model_flops_per_second': figures.spread(flops),
      'matmul_share': figures.spread(shares),
      'mfu': figures.spread([r / peak for r in flops] if peak else []),
      'peak_mib': max(turn.cost['peak_mib'] for turn in turns),
      'device_mib': max(turn.cost.get('device_mib') or 0 for turn in turns),
      'first_loss': facts['first_loss'],
    }
  return described


def _of_own(comparison: Comparison, fact: str, case: str) -> Any:
  """Returns what this project's sides report, the same for every side."""
  for side in (OWN, OWN_LLAMA):
    if facts := comparison.facts.get((Runner(side), case)):
      return facts[fact]
  return None


def _lowest(
  ratios: Mapping[str, Mapping[str, float]], among: Iterable[str]
) -> float | None:
  """Returns the median ratio to the fastest of some peers, None without any."""
  medians = [ratios[peer]['median'] for peer in among if peer in ratios]
  return min(medians, default=None)
