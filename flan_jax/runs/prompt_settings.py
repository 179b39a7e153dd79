"""The settings of a prompt-tuning run."""

import dataclasses
from typing import Literal

import gin

from flan_jax.runs.train_settings import TrainSettings
from flan_jax.setting_types import Count


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class PromptSettings:
  """A soft prompt and the rows that it is trained on.

  Attributes:
    length: Vectors before each example.
    init: Their initial values: 'vocabulary', embeddings of tokens drawn from
      the 5,000 lowest ids; 'classes', the mean embedding of each class's words,
      then as 'vocabulary'; 'uniform', values in [-0.5, 0.5].
    train_rows: Training rows of each subset; None for all. Chosen by the seed;
      classes take turns.
    dev_rows: Rows of each subset that are taken from the training rows to
      choose the step.
  """

  length: Count = 10
  init: Literal['vocabulary', 'classes', 'uniform'] = 'vocabulary'
  train_rows: Count | None = None
  dev_rows: Count = 32


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class PromptTuneSettings:
  """The settings of `flan-jax prompt-tune`.

  Attributes:
    training: As for `flan-jax train`. `mixture` is the task, and
      `initial_checkpoint` the base model.
    prompt: The prompt and its rows.
  """

  training: TrainSettings
  prompt: PromptSettings
