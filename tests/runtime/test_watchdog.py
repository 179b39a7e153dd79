"""A long wait names what it is for."""

import time

from flan_jax.runtime import watchdog


def test_only_long_waits_are_named(monkeypatch, capsys):
  monkeypatch.setattr(watchdog, '_TICK', 0.02)
  monkeypatch.setattr(watchdog, '_start', watchdog._start.__wrapped__)
  with watchdog.waiting_for('a bus'):
    time.sleep(0.1)
  assert not capsys.readouterr().err
  monkeypatch.setattr(watchdog, '_PATIENCE', 0.1)
  with watchdog.waiting_for('a bus'):
    time.sleep(0.4)
  lines = capsys.readouterr().err.splitlines()
  assert lines[0] == 'waiting for a bus (0 s)'
  # The second that this test's thread prints, not once a tick.
  assert 2 <= len(lines) <= 5
