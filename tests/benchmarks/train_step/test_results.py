"""What turns, FLOPs and matrix products add up to."""

from benchmarks.common.comparison import Comparison, Runner, Turn
from benchmarks.train_step import results
from benchmarks.train_step.shapes import SHAPES

_TINY = SHAPES['tiny']


def _summary(seconds, failed=()):
  """Summarizes sides that took so many seconds per step, by round."""
  comparison = Comparison()
  rounds = max(map(len, seconds.values()))
  for number in range(rounds):
    cost = {'seconds': 2.0, 'cpu_seconds': 2.0, 'peak_mib': 10}
    turn = Turn(Runner(results.MATMUL), 'flan', number, 6.0, cost)
    comparison.turns.append(turn)
  for side, taken in seconds.items():
    runner = Runner(side)
    facts = {'needed_flops': 6.0, 'peak_flops': 4.0, 'first_loss': 1.0}
    comparison.facts[runner, 'flan'] = facts
    for number, value in enumerate(taken):
      cost = {'seconds': value, 'cpu_seconds': value, 'peak_mib': 10}
      turn = Turn(runner, 'flan', number, _TINY.tokens, cost)
      comparison.turns.append(turn)
  for side in failed:
    comparison.failed[Runner(side), 'flan'] = 'out of memory'
  return results.summary(comparison, _TINY)


def test_ratios_are_to_the_fastest_of_the_peers():
  summary = _summary(
    {
      'flan_jax': [1, 2, 4],
      'torch': [2, 4, 8],
      't5x': [3, 6, 12],
      'nanodo': [1.5, 3, 8],
    }
  )
  assert summary['ratio_to_torch_flan'] == 2
  # For T5X alone it would be 3.
  assert summary['ratio_to_best_jax_peer_flan'] == 1.5
  assert summary['ratio_to_torch_dense'] is None
  assert summary['ratios']['flan_jax']['flan']['nanodo']['q3'] == 1.75
  # 6 FLOPs in 2 seconds, at 3 and at 4 FLOP/s.
  assert summary['matmul_share_flan'] == 1
  assert summary['mfu_flan'] == 0.75


def test_a_side_that_fails_midway_has_no_figures():
  summary = _summary({'flan_jax': [1, 1], 'torch': [1]}, failed=['torch'])
  assert summary['ratio_to_torch_flan'] is None
  assert summary['failed'] == {'torch/flan': 'out of memory'}
