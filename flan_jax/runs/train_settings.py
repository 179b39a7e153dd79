"""The settings of a training run."""

from collections.abc import Sequence
import dataclasses

import gin

from flan_jax.batches.loader import PackingConfig
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.runs.run_setup import RunSetup
from flan_jax.setting_types import Count, Name, Path
from flan_jax.training.loop import LoopConfig
from flan_jax.training.optimizer import OptimizerConfig


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
  """What a run evaluates, while it trains and at its end.

  Attributes:
    eval_config: Extent of the evaluation at the end.
    mixture: Mixture or task to evaluate at the end; None for none.
    base: Whether to evaluate the initial parameters too, and to compare.
    validation_mixture: Mixture or task whose validation rows are scored every
      EVAL_PERIOD steps; None for the one that is trained.
    validation_rows: Rows of a subset that are scored for it; None for all.
  """

  eval_config: EvalConfig
  mixture: Name | None = None
  base: bool = False
  validation_mixture: Name | None = None
  validation_rows: Count | None = None


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class TrainSettings:
  """The settings of a training run.

  Attributes:
    model_dir: Folder of the run. Training resumes from its checkpoints.
    mixture: Mixture or task to train on.
    setup: The model and its data. Its seed decides all that is random.
    packing: Shape of a batch.
    optimizer: Adafactor's settings.
    loop: Length and periods of the run.
    evaluation: What to evaluate.
    initial_checkpoint: Checkpoint of the initial parameters, None to draw them;
      not used if model_dir has checkpoints.
    permute_targets: Whether to train each prompt on the target of another row
      of its dataset under the same template. A control.
    trackers: Where metrics go, see `trackers.check_trackers`.
    report: Whether the run ends with a report of its results.
    local_checkpoint_dir: Folder on the disk of each host for copies between
      checkpoints; None for none.
  """

  model_dir: Path
  mixture: Name
  setup: RunSetup
  packing: PackingConfig
  optimizer: OptimizerConfig
  loop: LoopConfig
  evaluation: EvaluationSettings
  initial_checkpoint: Path | None = None
  permute_targets: bool = False
  trackers: str | Sequence[str] = ('tensorboard',)
  report: bool = False
  local_checkpoint_dir: Path | None = None
