import jax.numpy as jnp
import numpy as np

from flan_jax.model import TargetOutputs
from flan_jax.training.loss import cross_entropy

OUTPUTS = TargetOutputs(
  log_probs=jnp.array([[-1.0, -2.0], [-4.0, -8.0]]),
  correct=jnp.array([[True, False], [True, True]]),
  log_normalizers=jnp.array([[1.0, 2.0], [3.0, 4.0]]),
)
WEIGHTS = jnp.array([[1.0, 1.0], [1.0, 0.0]])


def test_sums_over_the_targets_only():
  sums = cross_entropy(OUTPUTS, WEIGHTS)
  assert [float(value) for value in sums] == [7.0, 3.0, 2.0]


def test_z_loss_adds_the_squared_normalizers():
  sums = cross_entropy(OUTPUTS, WEIGHTS, z_loss=0.1)
  np.testing.assert_allclose(sums.loss, 7 + 0.1 * (1 + 4 + 9), rtol=1e-6)
