"""The first signal asks to stop; the next one ends the process."""

import signal

import pytest

from flan_jax.runtime import stop_signals
from flan_jax.runtime.stop_signals import Stopped

_ALL = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@pytest.fixture(autouse=True)
def _handlers():
  before = {number: signal.getsignal(number) for number in _ALL}
  yield
  assert before == {number: signal.getsignal(number) for number in _ALL}


def test_a_signal_ends_a_command_where_nothing_is_left_to_finish():
  with pytest.raises(Stopped, match='stopped by SIGUSR1') as stopped:
    with stop_signals.handled():
      signal.raise_signal(signal.SIGUSR1)
  assert stopped.value.code == 128 + signal.SIGUSR1


def test_a_deferred_signal_is_noted_and_the_next_one_is_deadly(capfd):
  with pytest.raises(Stopped), stop_signals.handled():
    with stop_signals.deferred() as requests:
      assert requests.received is None
      signal.raise_signal(signal.SIGTERM)
      assert requests.received == signal.SIGTERM
      assert {signal.getsignal(n) for n in _ALL} == {signal.SIG_DFL}
    pytest.fail('a signal was forgotten')
  assert capfd.readouterr().err.startswith('SIGTERM: what runs is finished')


def test_an_error_meanwhile_is_not_hidden_by_a_signal():
  with pytest.raises(ValueError), stop_signals.handled():
    with stop_signals.deferred():
      signal.raise_signal(signal.SIGINT)
      raise ValueError
