"""Names are registered once, without building what they stand for."""

import json
import subprocess
import sys

import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.checks import DatasetError
from flan_jax.definitions.registry import Member, Mixture, UnknownNameError

registry.load()


def test_loading_imports_neither_tensorflow_nor_jax():
  code = (
    'import json, sys; from flan_jax.definitions import registry\n'
    'registry.load()\n'
    'heavy = {"tensorflow", "seqio", "jax"} & set(sys.modules)\n'
    'print(json.dumps([len(registry.datasets()), sorted(heavy)]))'
  )
  done = subprocess.run(
    [sys.executable, '-c', code], capture_output=True, text=True, check=True
  )
  datasets, heavy = json.loads(done.stdout)
  assert datasets >= 62 and heavy == []


def test_loading_twice_registers_nothing_twice():
  before = registry.datasets(), registry.mixtures()
  registry.load()
  assert (registry.datasets(), registry.mixtures()) == before


def test_a_part_is_found_with_and_without_its_dataset():
  dataset, part = registry.find_part('anli:anli_r1')
  assert registry.find_part('anli_r1') == (dataset, part)
  assert part.dataset is dataset
  assert part.family == dataset.resolve_parts()


@pytest.mark.parametrize('name', ['anli_r7', 'rte:anli_r1', 'anli'])
def test_an_unknown_part_suggests_the_nearest(name):
  with pytest.raises(UnknownNameError, match=r'nearest: .*anli'):
    registry.find_part(name)


def test_a_taken_name_is_refused(own_registry):
  rte, _ = registry.find_part('rte')
  with pytest.raises(DatasetError, match="'rte' is registered already"):
    registry.register(rte)
  with pytest.raises(ValueError, match="'flan_all' is registered already"):
    registry.register_mixture(Mixture('flan_all', (Member('rte'),)))


def test_a_mixture_trains_or_evaluates(own_registry):
  with pytest.raises(ValueError, match='train or eval'):
    registry.register_mixture(Mixture('x', (Member('rte'),), purpose='test'))
