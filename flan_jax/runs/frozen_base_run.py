"""A training run that trains something beside a frozen base model."""

from collections.abc import Mapping
from typing import Any

from flan_jax.runs.training_run import TrainingRun
from flan_jax.runtime import processes
from flan_jax.training.checkpoint import params_digest
from flan_jax.training.part_checkpoint import check_base
from flan_jax.training.step import TrainState


class FrozenBaseRun(TrainingRun):
  """A run whose checkpoints name the base model instead of holding it."""

  def _base_params(self) -> Any:
    """Reads the base model, and notes its digest."""
    checked = self._checked
    checked.workspace.check_checkpoint(checked.initial_checkpoint, starts=True)
    params = checked.workspace.restore(checked.initial_checkpoint)
    self._base_digest = params_digest(params)
    return params

  def _resume(
    self, state: TrainState, record: Mapping[str, Any], step: int
  ) -> TrainState:
    self._follow(record)
    params, model_dir = self._base_params(), self._settings.model_dir
    base = self._checked.initial_checkpoint
    check_base(record, self._base_digest, model_dir, base)
    processes.log(f'resuming from step {step} of {model_dir}')
    return {**state, 'params': self._with_part(params, state['params'])}

  def _with_part(self, params: Any, part: Any) -> Any:
    """Returns the parameters of the base with those that are trained."""
    raise NotImplementedError

  def _record(self) -> dict[str, Any]:
    base = {
      'checkpoint': self._checked.initial_checkpoint,
      'params_digest': self._base_digest,
    }
    return {**super()._record(), 'base': base}
