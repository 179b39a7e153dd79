"""Models are read whole, whether their checkpoints hold all or adapters."""

import dataclasses

import jax
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig, abstract_params, adapters
from flan_jax.training.checkpoint import Checkpointer, params_digest
from flan_jax.training.checkpoint_errors import CheckpointError
from flan_jax.training.model_checkpoint import restore_model
from flan_jax.training.optimizer import (
  OptimizerConfig,
  for_model,
  make_optimizer,
  recorded,
)
from flan_jax.training.part_checkpoint import AdapterCheckpointer
from flan_jax.training.step import init_state

_BASE = DecoderConfig(
  vocab_size=32,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=4,
  position='rope',
)
_MODEL = dataclasses.replace(_BASE, lora_rank=2, lora_targets=('layers/up',))


def _draw(shapes, seed):
  generator = np.random.default_rng(seed)
  return jax.tree.map(
    lambda leaf: np.float32(generator.normal(size=leaf.shape)), shapes
  )


@pytest.mark.slow
def test_adapters_are_merged_into_the_base_that_they_name(tmp_path):
  mesh = sharding.make_mesh(sharding.MeshConfig(), jax.devices()[:1])
  shapes = abstract_params(_BASE, mesh)
  for seed, name in enumerate(('base', 'other')):
    Checkpointer.save_params(tmp_path / name, _draw(shapes, seed), {})
  base = Checkpointer.restore_params(tmp_path / 'base', shapes)
  own = _draw(adapters.only(abstract_params(_MODEL)), 2)
  config = for_model(OptimizerConfig(ema_decay=0.9), _MODEL)
  params = adapters.add_to(base, jax.device_put(own))
  state = init_state(_MODEL, make_optimizer(config), 0, mesh, params)
  twice = jax.tree.map(lambda leaf: 2 * leaf, state['opt_state'].average)
  state['opt_state'] = state['opt_state']._replace(average=twice)
  checkpointer = AdapterCheckpointer(tmp_path / 'adapters')
  about = {
    'checkpoint': str(tmp_path / 'base'),
    'params_digest': params_digest(base),
  }
  record = {'model': dataclasses.asdict(_MODEL), 'optimizer': recorded(config)}
  checkpointer.save(1, state, {**record, 'base': about})
  checkpointer.close()

  def restore(path, **more):
    return restore_model(tmp_path / path, _BASE, mesh, **more)

  before = base['layers']
  a, b = own['layers']['up_lora_a'], own['layers']['up_lora_b']
  added = _MODEL.lora_scale * (a @ b)
  for average, factor in ((False, 1), (True, 4)):
    found = restore('adapters', average=average)
    assert jax.tree.structure(found) == jax.tree.structure(shapes)
    found = found['layers']
    np.testing.assert_allclose(
      found['up'], before['up'] + factor * added, rtol=1e-4, atol=1e-4
    )
    np.testing.assert_array_equal(found['down'], before['down'])
  # A model that is whole is read as it is.
  jax.tree.map(np.testing.assert_array_equal, restore('base'), base)

  with pytest.raises(ConfigError, match=r'was trained on .*use its own'):
    restore('adapters', base=str(tmp_path / 'other'))
  (tmp_path / 'base').rename(tmp_path / 'moved')
  with pytest.raises(
    CheckpointError, match=r'no checkpoint.*BASE_CHECKPOINT_P'
  ):
    restore('adapters')
  restore('adapters', base=str(tmp_path / 'moved'))
