"""Training: loss, optimizer, step and checkpoints."""

from flan_jax.training.checkpoint import (
  CheckpointDamagedError,
  Checkpointer,
  CheckpointError,
  CheckpointMismatchError,
)
from flan_jax.training.loss import LossSums, cross_entropy
from flan_jax.training.optimizer import (
  OptimizerConfig,
  make_optimizer,
  optimizer_sharding,
)
from flan_jax.training.step import (
  abstract_state,
  init_state,
  make_train_step,
  state_shardings,
)

__all__ = [
  'CheckpointDamagedError',
  'CheckpointError',
  'CheckpointMismatchError',
  'Checkpointer',
  'LossSums',
  'OptimizerConfig',
  'abstract_state',
  'cross_entropy',
  'init_state',
  'make_optimizer',
  'make_train_step',
  'optimizer_sharding',
  'state_shardings',
]
