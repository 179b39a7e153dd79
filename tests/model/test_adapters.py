"""Adapters: what a model with them computes, and where they are."""

import dataclasses

import jax
from jax.sharding import PartitionSpec as P
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.errors import ConfigError
from flan_jax.model import (
  abstract_params,
  adapters,
  init_params,
  target_log_probs,
)
from tests.model.tiny_decoders import (
  BIASED,
  RELATIVE,
  examples,
  make_batch,
  make_params,
)


def _mesh(*shape):
  devices = jax.devices()[: int(np.prod(shape))]
  return sharding.make_mesh(sharding.MeshConfig(*shape), devices)


def _adapted(config, **more):
  return dataclasses.replace(config, lora_rank=3, lora_alpha=6.0, **more)


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
  'config, targets',
  [(RELATIVE, ('layers/.*',)), (BIASED, ('layers/(query|down)',))],
  ids=['all', 'two'],
)
def test_a_merged_model_computes_what_its_adapters_do(config, targets):
  config = _adapted(config, lora_targets=targets)
  drawn, batch = make_params(config), make_batch([examples(9, 5), examples(14)])
  base, own = adapters.without(drawn), adapters.only(drawn)
  assert len(own['layers']) == 2 * len(config.lora_projections)
  apart = target_log_probs(config, drawn, batch)
  plain = target_log_probs(adapters.base_config(config), base, batch)
  placed = jax.tree.map(np.copy, base)  # Merging takes it.
  merged = adapters.merge(config, placed, own, _mesh(1, 1, 1))
  together = target_log_probs(adapters.base_config(config), merged, batch)
  np.testing.assert_allclose(together, apart, rtol=1e-4, atol=1e-4)
  assert np.abs(plain - apart).max() > 0.1


@pytest.mark.slow
def test_new_adapters_change_nothing_and_are_the_same_on_every_mesh():
  config = _adapted(dataclasses.replace(RELATIVE, vocab_size=40))
  one, eight = _mesh(1, 1, 1), _mesh(2, 2, 2)
  base = init_params(adapters.base_config(config), 5, one)
  own, divided = (adapters.init(config, 5, mesh) for mesh in (one, eight))
  jax.tree.map(np.testing.assert_array_equal, own, divided)
  both = adapters.add_to(base, own)
  # Other initial values do not depend on them.
  whole = init_params(config, 5, one)
  jax.tree.map(np.testing.assert_array_equal, both, whole)
  for name, leaf in own['layers'].items():
    assert np.any(leaf) == name.endswith('_lora_a')
  found = {name: leaf.sharding.spec for name, leaf in divided['layers'].items()}
  assert found['query_lora_a'] == P(None, ('fsdp',), ())
  assert found['query_lora_b'] == P(None, (), ('model',))
  assert found['down_lora_a'] == P(None, ('model',), ())
  assert found['down_lora_b'] == P(None, (), ('fsdp',))


def test_adapters_stand_beside_the_projections_that_a_model_has():
  for config in (RELATIVE, dataclasses.replace(RELATIVE, gated=False)):
    adapted = _adapted(config)
    own = adapters.only(abstract_params(adapted))['layers']
    assert sum(leaf.size for leaf in own.values()) == adapted.lora_count()
    assert ('gate_lora_a' in own) == config.gated
    added = adapted.param_count() - config.param_count()
    assert added == adapted.lora_count()


@pytest.mark.parametrize(
  'targets, message',
  [
    (('embedding',), "LORA_TARGETS: 'embedding' matches no projection"),
    (('layers/.*_norm',), 'matches no projection; the projections are'),
    ((), 'LORA_TARGETS is empty'),
    (('layers/(',), 'lora_targets is .* regular expressions'),
  ],
)
def test_targets_that_are_no_projections_are_refused(targets, message):
  with pytest.raises(ConfigError, match=message):
    _adapted(RELATIVE, lora_targets=targets)
