import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from flan_jax.training.averaging import averaged_params
from flan_jax.training.optimizer import OptimizerConfig, make_optimizer
from flan_jax.training.trained import trained, with_trained


@pytest.mark.slow
def test_trained_parameters_are_averaged_from_the_initial_ones_on():
  params = {
    'embedding': jnp.ones((3, 2)),
    'layers': {'up': jnp.full((2, 2, 2), 2.0), 'norm': jnp.ones((2, 2))},
  }
  config = OptimizerConfig(
    learning_rate=0.1, ema_decay=0.75, frozen=('embedding', 'layers/norm')
  )
  optimizer = make_optimizer(config)
  without = make_optimizer(
    OptimizerConfig(learning_rate=0.1, frozen=config.frozen)
  )
  state, plain = optimizer.init(params), without.init(params)
  grads = trained(jax.tree.map(jnp.ones_like, params), config.frozen)
  average = params['layers']['up']
  for _ in range(3):
    updates, state = optimizer.update(grads, state, params)
    same, plain = without.update(grads, plain, params)
    jax.tree.map(np.testing.assert_array_equal, updates, same)
    changed = optax.apply_updates(trained(params, config.frozen), updates)
    params = with_trained(params, changed)
    average = 0.75 * average + 0.25 * params['layers']['up']
  found = averaged_params({'params': params, 'opt_state': state})
  np.testing.assert_allclose(found['layers']['up'], average, rtol=1e-6)
  assert (found['layers']['up'] != params['layers']['up']).all()
  assert found['embedding'] is params['embedding']
