"""A prompt is saved without its base model, and comes back."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.training.part_checkpoint import PromptCheckpointer, check_base


def _state(seed):
  generator = np.random.default_rng(seed)
  params = {
    'embedding': jnp.float32(generator.normal(size=(3000, 100))),
    'prompt': jnp.float32(generator.normal(size=(4, 100))),
  }
  moments = {'prompt': jnp.float32(generator.normal(size=(4, 100)))}
  return {'params': params, 'opt_state': moments, 'step': jnp.int32(2)}


def test_a_prompt_is_small_and_restored_without_its_base(tmp_path):
  state = _state(0)
  checkpointer = PromptCheckpointer(tmp_path)
  checkpointer.save(2, state, {'seed': 1})
  abstract = jax.eval_shape(lambda: _state(1))
  restored, record, step = checkpointer.restore_latest(abstract)
  checkpointer.close()
  assert (record, step) == ({'seed': 1}, 2)
  assert restored['params'].keys() == {'prompt'}
  for saved, found in (
    (state['params']['prompt'], restored['params']['prompt']),
    (state['opt_state']['prompt'], restored['opt_state']['prompt']),
  ):
    np.testing.assert_array_equal(saved, found)
  size = sum(p.stat().st_size for p in tmp_path.rglob('*') if p.is_file())
  # The embedding alone has 1.2 MB.
  assert size < 100_000


def test_another_base_is_named():
  record = {'base': {'checkpoint': 'one', 'params_digest': 5}}
  check_base(record, 5, 'prompt', 'two')
  with pytest.raises(ConfigError, match=r'on one .*digest 5.* not on two \(6'):
    check_base(record, 6, 'prompt', 'two')
