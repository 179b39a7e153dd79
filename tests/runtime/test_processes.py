"""The first process works before the others."""

import jax
from jax.experimental import multihost_utils
import pytest

from flan_jax.runtime import processes


@pytest.mark.parametrize(
  'index, count, order',
  [
    (0, 1, ['called']),
    (0, 2, ['called', 'synchronized']),
    (1, 2, ['synchronized', 'called']),
  ],
)
def test_first_process_is_called_before_the_others(
  monkeypatch, index, count, order
):
  events = []
  monkeypatch.setattr(jax, 'process_index', lambda: index)
  monkeypatch.setattr(jax, 'process_count', lambda: count)
  monkeypatch.setattr(
    multihost_utils,
    'sync_global_devices',
    lambda name: events.append('synchronized'),
  )
  processes.first_then_others(lambda: events.append('called'))
  assert events == order


@pytest.mark.parametrize('index, printed', [(0, 'a line\n'), (1, '')])
def test_first_process_logs(monkeypatch, capsys, index, printed):
  monkeypatch.setattr(jax, 'process_index', lambda: index)
  processes.log('a line')
  assert capsys.readouterr().out == printed
