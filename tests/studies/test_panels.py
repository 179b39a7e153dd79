"""The panels that a study can name."""

import pytest

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.studies import panels
from flan_jax.studies.design import StudyDesign
from flan_jax.terminal.blocks import plain
from tests.studies.cells import cell, part

registry.load()


def _design(panel, **endpoints):
  return StudyDesign(
    {'base': {}}, ('nli',), {'all': {'mixture': 'rte'}}, (0,), panel, endpoints
  )


@pytest.mark.parametrize('name', [*panels.PANELS, panels.CONTROLS])
def test_every_panel_is_known(name):
  panels.check(_design(name))


def test_an_unknown_panel_is_named_with_the_nearest_one():
  with pytest.raises(
    ConfigError, match=r"study.panel is 'cluster'; nearest: clusters.*; the"
  ):
    panels.check(_design('cluster'))


def test_endpoints_are_checked_before_anything_runs():
  with pytest.raises(ConfigError, match="endpoint 'c'"):
    panels.check(_design('controls', c={}))


def test_a_panel_reads_the_cells():
  cells = [cell('base', {'zero-shot': [part('rte', 40.0)]})]
  panel = panels.panel(_design('main'), [], cells)
  assert [line['dataset'] for line in panel['datasets']] == ['rte']


def test_controls_read_the_records():
  assert panels.panel(_design('controls'), [], []) == {'endpoints': []}


def test_a_panel_is_shown_as_tables():
  lines = [
    {'arm': 'base', 'mean': 41.26, 'paper': None, 'shown': True, 'rows': 3},
    {'arm': 'tuned', 'mean': 5.0, 'paper': 6.0, 'shown': False, 'rows': 12},
  ]
  assert plain(panels.tables({'means': lines, 'nothing': []})).splitlines() == [
    'means:',
    'arm    mean  paper  shown  rows',
    '-------------------------------',
    'base   41.3      -    yes     3',
    'tuned  5.0     6.0     no    12',
  ]
