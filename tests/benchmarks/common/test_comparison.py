"""Rates, ratios and failures of sides that take turns."""

import pytest

from benchmarks.common.comparison import Comparison, Runner, Turn
from benchmarks.common.side_process import SideError

OWN, PEER = Runner('flan_jax'), Runner('peer')


class Side:
  """Answers as a process does; fails from a given request on."""

  def __init__(self, fails_at=None):
    self.asked = []
    self._fails_at = fails_at

  def ask(self, do, **arguments):
    if self._fails_at == len(self.asked):
      raise SideError('out of memory')
    self.asked.append((do, arguments))
    return {'seconds': 1.0, 'cpu_seconds': 2.0, 'peak_mib': 10}


def _add(comparison, runner, case, seconds, work=12):
  for number, taken in enumerate(seconds):
    cost = {'seconds': taken, 'cpu_seconds': 2 * taken, 'peak_mib': 10}
    comparison.turns.append(Turn(runner, case, number, work, cost))


def test_another_side_begins_in_every_round(capsys):
  comparison = Comparison()
  processes = {'flan_jax': Side(), 'peer': Side()}
  for number in range(2):
    comparison.take_turns(processes, 'arc', number, {OWN: 6, PEER: 6}, steps=3)
  sides = [turn.runner.side for turn in comparison.turns]
  assert sides == ['flan_jax', 'peer', 'peer', 'flan_jax']
  assert processes['peer'].asked[0] == ('run', {'case': 'arc', 'steps': 3})
  assert comparison.rates(OWN, ['arc'], 'cpu_seconds') == [3, 3]


def test_a_side_that_fails_midway_has_no_figures(capsys):
  comparison = Comparison()
  processes = {'flan_jax': Side(), 'peer': Side(fails_at=1)}
  for number in range(3):
    comparison.take_turns(processes, 'arc', number, {OWN: 6, PEER: 6})
  assert comparison.ratio('flan_jax', 'peer', ['arc']) is None
  assert comparison.failures() == {'peer/arc': 'out of memory'}
  assert len(comparison.rates(OWN, ['arc'])) == 3


def test_the_failure_of_the_required_side_ends_the_comparison():
  comparison = Comparison(required='flan_jax')
  with pytest.raises(SideError, match='out of memory'):
    comparison.prepare({'flan_jax': Side(fails_at=0)}, OWN, 'arc')


def test_ratios_are_of_turns_of_the_same_round_at_the_best_batch_size():
  comparison = Comparison()
  small, large = Runner('peer', 1), Runner('peer', 8)
  for case in ('arc', 'piqa'):
    _add(comparison, OWN, case, [1, 2, 1])
  _add(comparison, small, 'arc', [4, 8, 4])
  _add(comparison, large, 'arc', [3, 6, 3])
  _add(comparison, small, 'piqa', [2, 4, 2])
  _add(comparison, large, 'piqa', [5, 10, 5])

  def ratio(*cases):
    return comparison.ratio('flan_jax', 'peer', cases)['median']

  assert comparison.best('peer', ['arc']) == large
  assert comparison.best('peer', ['arc', 'piqa']) == small
  assert (ratio('arc'), ratio('piqa'), ratio('arc', 'piqa')) == (3, 2, 3)


def test_the_peer_is_prepared_at_every_batch_size(capsys):
  comparison = Comparison()
  sides = {'flan_jax': Side(), 'peer': Side()}
  seconds = comparison.prepare_all(sides, 'arc', 'peer', [1, 8])
  assert seconds == {1: 1.0, 8: 1.0}
  assert [a['batch_size'] for _, a in sides['peer'].asked] == [1, 8]
  assert sides['flan_jax'].asked == [('prepare', {'case': 'arc'})]
