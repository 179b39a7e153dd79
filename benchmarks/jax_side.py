"""What the sides of `train_step` that compute with JAX have in common.

It also runs in the interpreters of the peers, so it needs no more than JAX and
NumPy, and Optax where that is used.
"""

from collections.abc import Callable, Mapping
import dataclasses
from typing import Any

import jax

from benchmarks import train_shapes

LEARNING_RATE = 3e-5  # Of every side.

Arrays = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Trainer:
  """A model and how it is trained.

  Attributes:
    init: Makes the first state.
    step: Jitted (state, batch) -> (state, loss); consumes the state.
    params: Of a state, to be counted.
    arrange: (NumPy batch, case) -> the arrays that the step reads.
    facts: Of a case: what else is reported.
  """

  init: Callable[[], Any]
  step: Callable[[Any, Arrays], tuple[Any, jax.Array]]
  params: Callable[[Any], Any]
  arrange: Callable[[Arrays, str], Arrays] = lambda batch, case: batch
  facts: Callable[[str], dict[str, Any]] = lambda case: {}


class JaxSide:
  """Steps a trainer on one device."""

  def __init__(self, shape: train_shapes.Shape, trainer: Trainer):
    self._shape = shape
    self._trainer = trainer
    self._state = self._batch = None

  def prepare(self, case: str) -> dict[str, Any]:
    batch = self._trainer.arrange(
      train_shapes.make_batch(self._shape, case), case
    )
    self._batch = jax.device_put(dict(batch), jax.devices()[0])
    if self._state is None:
      self._state = self._trainer.init()
    self._state, loss = self._trainer.step(self._state, self._batch)
    params = jax.tree.leaves(self._trainer.params(self._state))
    return {
      'first_loss': float(loss),
      'parameters': sum(leaf.size for leaf in params),
      'device': jax.devices()[0].device_kind,
      'versions': {'jax': jax.__version__},
      **self._trainer.facts(case),
    }

  def step(self, steps: int) -> dict[str, Any]:
    for _ in range(steps):
      self._state, loss = self._trainer.step(self._state, self._batch)
    jax.block_until_ready((self._state, loss))
    memory = jax.devices()[0].memory_stats() or {}
    return {'device_mib': memory.get('peak_bytes_in_use', 0) >> 20}


def adafactor_trainer(
  init: Callable[[jax.Array], Any],
  loss: Callable[[Any, Arrays], jax.Array],
) -> Trainer:
  """A model that is trained by `optax.adafactor`.

  Args:
    init: Random key -> parameters.
    loss: (parameters, batch) -> mean loss of the targets.
  """
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

  return Trainer(
    init=jax.jit(make),
    step=jax.jit(step, donate_argnums=0),
    params=lambda state: state[0],
  )
