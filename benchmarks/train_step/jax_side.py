"""What the sides that compute with JAX have in common.

It also runs in the interpreters of the peers, so it needs nothing but JAX and
NumPy, and Optax where that is used.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax

from benchmarks.train_step.shapes import LEARNING_RATE, Shape, make_batch

Arrays = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Trainer:
  """A model and the way it is trained."""

  init: Callable[[], Any]  # () -> the first state.
  # Jitted (state, batch) -> (state, loss); consumes the state.
  step: Callable[[Any, Arrays], tuple[Any, jax.Array]]
  params: Callable[[Any], Any]  # state -> its parameters.
  # NumPy batch -> the arrays that the step reads.
  arrange: Callable[[Arrays], Arrays] = dict
  # case -> what else to report.
  facts: Callable[[str], dict[str, Any]] = lambda case: {}


class JaxSide:
  """Steps a trainer on one device."""

  def __init__(self, shape: Shape, trainer: Trainer):
    self._shape = shape
    self._trainer = trainer
    self._state = None
    self._batches: dict[str, Arrays] = {}

  def prepare(self, case: str) -> dict[str, Any]:
    """Compiles the step of a case and takes it once."""
    batch = self._trainer.arrange(make_batch(self._shape, case))
    self._batches[case] = jax.device_put(batch, jax.devices()[0])
    if self._state is None:
      self._state = self._trainer.init()
    self._state, loss = self._trainer.step(self._state, self._batches[case])
    params = jax.tree.leaves(self._trainer.params(self._state))
    return {
      'first_loss': float(loss),
      'parameters': sum(leaf.size for leaf in params),
      'device': jax.devices()[0].device_kind,
      'versions': {'jax': jax.__version__},
      **self._trainer.facts(case),
    }

  def run(self, case: str, steps: int) -> dict[str, Any]:
    """Takes steps and waits for the last."""
    for _ in range(steps):
      self._state, loss = self._trainer.step(self._state, self._batches[case])
    jax.block_until_ready((self._state, loss))
    peak = (jax.devices()[0].memory_stats() or {}).get('peak_bytes_in_use')
    return {'device_mib': peak and peak >> 20}


def adafactor_trainer(
  init: Callable[[jax.Array], Any],
  loss: Callable[[Any, Arrays], jax.Array],
) -> Trainer:
  """Trains by `optax.adafactor`: key -> params, (params, batch) -> loss."""
  import optax

  optimizer = optax.adafactor(LEARNING_RATE)

  def make():
    params = init(jax.random.key(0))
    return params, optimizer.init(params)

  def step(state, batch):
    params, moments = state
    value, gradient = jax.value_and_grad(loss)(params, batch)
    updates, moments = optimizer.update(gradient, moments, params)
    return (optax.apply_updates(params, updates), moments), value

  jitted = jax.jit(step, donate_argnums=0)
  return Trainer(jax.jit(make), jitted, params=lambda state: state[0])
