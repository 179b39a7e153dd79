"""A run that trains adapters beside a frozen base model: LORA_RANK."""

from typing import Any

from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.model import adapters
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.frozen_base_run import FrozenBaseRun
from flan_jax.runs.training_run import TrainingRun
from flan_jax.training.part_checkpoint import AdapterCheckpointer


def run_class(checked: CheckedSettings) -> type[TrainingRun]:
  """Returns the kind of run that settings ask for."""
  has_adapters = checked.settings.setup.model.lora_rank > 0
  return AdapterRun if has_adapters else TrainingRun


class AdapterRun(FrozenBaseRun):
  """A run whose data is open. Nothing is compiled before `resume_or_start`."""

  _checkpointer_class = AdapterCheckpointer

  def _evaluate_base(self) -> Evaluation:
    return self._run_base(self._evaluation, self._base_params())

  def _initial_params(self) -> Any:
    setup = self._settings.setup
    new = adapters.init(setup.model, setup.seed, self._mesh)
    return adapters.add_to(self._base_params(), new)

  def _with_part(self, params: Any, part: Any) -> Any:
    return adapters.add_to(params, part)

  def _trained(self) -> tuple[Any, int]:
    """Returns merged parameters, as `eval` reads them; frees the state."""
    params, step = super()._trained()
    self._state = None
    model = self._settings.setup.model
    base, own = adapters.without(params), adapters.only(params)
    return adapters.merge(model, base, own, self._mesh), step
