"""The settings of a prompt-tuning run."""

import dataclasses

import gin

from flan_jax.errors import ConfigError
from flan_jax.runs.train_settings import TrainSettings

_INITS = ('vocabulary', 'classes', 'uniform')


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

  length: int = 10
  init: str = 'vocabulary'
  train_rows: int | None = None
  dev_rows: int = 32

  def __post_init__(self):
    if self.init not in _INITS:
      raise ConfigError(
        f'PROMPT_INIT is {self.init!r}; it must be one of {", ".join(_INITS)}'
      )
    least = {'PROMPT_LENGTH': self.length, 'PROMPT_DEV_ROWS': self.dev_rows}
    if self.train_rows is not None:
      least['PROMPT_TRAIN_ROWS'] = self.train_rows
    for name, value in least.items():
      if not isinstance(value, int) or value < 1:
        raise ConfigError(f'{name} is {value!r}; it must be at least 1')


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
