"""A long wait names what it is for."""

import time

from flan_jax.runtime import watchdog


def test_only_long_waits_are_named(monkeypatch, capsys):
  with watchdog.waiting_for('a bus'):
    pass
  assert not capsys.readouterr().err
  monkeypatch.setattr(watchdog, '_PATIENCE', 0.1)
  with watchdog.waiting_for('a bus'):
    time.sleep(0.35)
  lines = capsys.readouterr().err.splitlines()
  assert lines[0] == 'waiting for a bus (0 s)'
  assert len(lines) >= 2
