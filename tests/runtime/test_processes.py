"""Processes agree on outcomes, and the first works before the others."""

import jax
from jax.experimental import multihost_utils
import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.runtime import processes
from flan_jax.runtime.processes import OtherProcessError


@pytest.mark.parametrize(
  'index, order',
  [
    (0, ['called', 'agreed', 'agreed']),
    (1, ['agreed', 'called', 'agreed']),
  ],
)
def test_first_process_is_called_before_the_others(monkeypatch, index, order):
  events = []
  monkeypatch.setattr(jax, 'process_index', lambda: index)
  monkeypatch.setattr(processes, 'agree', lambda error: events.append('agreed'))
  processes.first_then_others(lambda: events.append('called'))
  assert events == order


def test_values_of_all_processes_and_of_the_first(monkeypatch):
  value = {'text': 'é' * 200, 'numbers': [1, 2.5, None]}
  assert processes.gather(value) == [value]
  assert processes.from_first(value) == value
  monkeypatch.setattr(jax, 'process_count', lambda: 2)
  monkeypatch.setattr(
    multihost_utils, 'process_allgather', lambda x: np.stack([x, x])
  )
  monkeypatch.setattr(multihost_utils, 'broadcast_one_to_all', lambda x: x)
  assert processes.gather(value) == [value, value]
  assert processes.from_first(value) == value


def test_differences_are_shown(monkeypatch):
  mine = {'settings': ['A = 1', 'B = 2'], 'versions': ['v1']}
  other = {'settings': ['A = 1', 'B = 3', 'C = 4'], 'versions': ['v1']}
  monkeypatch.setattr(processes, 'gather', lambda found: [found, found])
  processes.check_same(mine)
  monkeypatch.setattr(processes, 'gather', lambda found: [found, found, other])
  shown = 'processes 0 and 2 differ in settings: B = 2; and B = 3, C = 4:'
  with pytest.raises(ConfigError, match=shown):
    processes.check_same(mine)


def test_failure_of_one_process_is_that_of_all(monkeypatch):
  def others_find(*outcomes):
    monkeypatch.setattr(processes, 'gather', lambda mine: [mine, *outcomes])

  others_find(None)
  processes.agree(None)
  with pytest.raises(ConfigError, match='my own'):
    processes.agree(ConfigError('my own'))
  others_find(None, 'no such file')
  with pytest.raises(OtherProcessError, match='process 2 failed: no such file'):
    processes.agree(None)


@pytest.mark.parametrize('index, printed', [(0, 'a line\n'), (1, '')])
def test_first_process_logs(monkeypatch, capsys, index, printed):
  monkeypatch.setattr(jax, 'process_index', lambda: index)
  processes.log('a line')
  assert capsys.readouterr().out == printed
