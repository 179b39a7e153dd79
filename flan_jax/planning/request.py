"""What to plan."""

from collections.abc import Mapping
import dataclasses
from typing import Any

from flan_jax.model import DecoderConfig
from flan_jax.model.adapters import base_config
from flan_jax.planning.topology import Topology, has_libtpu
from flan_jax.sharding import MeshConfig
from flan_jax.training.optimizer import OptimizerConfig

# `prefill` reads prompts, and a step of `generate` adds a token to each.
PROGRAMS = ('train', 'evaluation', 'prefill', 'generate')
# Training derives an unset TARGET_BUDGET from the data, as three times the mean
# number of targets. About a sixth of FLAN's training tokens are targets.
_TARGET_SHARE = 2


@dataclasses.dataclass(frozen=True)
class Request:
  """A run, and the hardware to plan it for."""

  model: DecoderConfig
  optimizer: OptimizerConfig
  mesh: MeshConfig
  topology: str  # Name of the hardware, see `topology`.
  simulated: bool  # Whether the CPU simulates the devices.
  batch_rows: int  # Rows of a training batch.
  pack_length: int  # Tokens of a row.
  target_budget: int | None  # Predicted tokens of a row; None: from the data.
  microbatches: int  # Parts that a batch is computed in.
  eval_length: int  # Tokens of a row in evaluation.
  eval_tokens: int  # Tokens of a batch in evaluation, padding included.
  train_steps: int  # Steps of the whole run.
  programs: tuple[str, ...] = PROGRAMS  # Which of `PROGRAMS` to plan.

  @property
  def targets(self) -> int:
    """Predicted tokens of a row, assumed if left to the data."""
    return self.target_budget or self.pack_length // _TARGET_SHARE

  def model_of(self, program: str) -> DecoderConfig:
    """Returns the model that a program computes; only training has adapters."""
    return self.model if program == 'train' else base_config(self.model)

  @property
  def gradient_copies(self) -> int:
    """Gradients in memory: microbatches are summed in a second copy."""
    return 1 if self.microbatches == 1 else 2

  def as_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self)

  @classmethod
  def from_json(cls, values: Mapping[str, Any]) -> 'Request':
    """Inverts `as_json`."""
    nested = {
      'model': DecoderConfig(**values['model']),
      'optimizer': OptimizerConfig(**values['optimizer']),
      'mesh': MeshConfig(**values['mesh']),
      'programs': tuple(values['programs']),
    }
    return cls(**{**values, **nested})

  def notes(self) -> list[str]:
    """Returns what to know about the figures of the plan."""
    notes = []
    if self.simulated:
      if Topology.parse(self.topology).is_tpu and not has_libtpu():
        notes.append(
          'libtpu is not installed (pip install flan_jax[tpu]), so the CPU '
          'simulated the devices'
        )
      notes.append(
        'simulated: parameters, optimizer state and batch are exact; temporary '
        'memory is about twice what an accelerator needs; memory traffic is '
        'unknown'
      )
    if self.target_budget is None:
      notes.append(
        f'TARGET_BUDGET is left to the data; {self.targets} of '
        f'{self.pack_length} tokens are assumed'
      )
    return notes
