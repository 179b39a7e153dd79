"""Adafactor or AdamW over a model whose layers are stacked."""

from collections.abc import Mapping
import dataclasses
import functools
from typing import Annotated, Any, Literal

import jax
import optax

from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig, adapters
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  NotNegative,
  Only,
  Patterns,
  Positive,
  check_fields,
)
from flan_jax.training import schedule as schedule_lib
from flan_jax.training.averaging import with_average
from flan_jax.training.trained import STACKED, rest, trained

_Decay = Annotated[
  float, Only('a number of at least 0 and below 1', lambda x: 0 <= x < 1)
]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
  """Adafactor as FLAN uses it, or AdamW.

  The learning rate is FLAN's; most other values are the usual ones of their
  optimizer. The paper states neither the schedule of the rate nor whether it is
  relative to a parameter, nor how the gradient is clipped: these are our
  choices.

  Attributes:
    optimizer: 'adafactor' or 'adamw'.
    learning_rate: The highest rate, reached after the warm-up. Adafactor with
      `multiply_by_parameter_scale` takes it relative to the root mean square of
      a parameter.
    schedule: The rate after the warm-up, see `schedule.learning_rate`.
    warmup_steps: Steps in which the rate grows linearly to its value.
    decay_steps: Steps after which 'linear' and 'cosine' end, warm-up included.
    final_learning_rate: The rate at which they end.
    decay_rate: Adafactor's exponent of the second moment's decay,
      1 - step ** -decay_rate.
    clipping_threshold: Adafactor's maximum root mean square of the update of
      one parameter of one layer; None for no limit.
    multiply_by_parameter_scale: Whether Adafactor scales an update by the root
      mean square of its parameter (at least 1e-3).
    min_dim_size_to_factor: Adafactor stores the second moment of a parameter as
      rows and columns if its two largest dimensions are at least this large.
    beta1: AdamW's decay of the mean of gradients.
    beta2: AdamW's decay of the mean of squared gradients.
    epsilon: AdamW adds it to the root of that mean.
    weight_decay: Share of a parameter that a step removes; None for none.
      AdamW multiplies it by the rate, and leaves vectors such as norms alone.
      Adafactor takes it as it is, for all parameters.
    gradient_clip_norm: Maximum norm of the whole gradient; None for no limit.
    ema_decay: Decay of a moving average of the trained parameters, see
      `averaging`; None for no average.
    frozen: Regular expressions. Parameters whose full name matches one of them
      ('layers/query', 'embedding', 'layers/.*') do not change and have no
      gradient and no optimizer state.
  """

  optimizer: Literal['adafactor', 'adamw'] = 'adafactor'
  learning_rate: Positive = 3e-5
  schedule: schedule_lib.Schedule = 'constant'
  warmup_steps: CountOrZero = 0
  decay_steps: Count | None = None
  final_learning_rate: NotNegative = 0.0
  decay_rate: Positive = 0.8
  clipping_threshold: Positive | None = 1.0
  multiply_by_parameter_scale: bool = True
  min_dim_size_to_factor: Count = 128
  beta1: _Decay = 0.9
  beta2: _Decay = 0.999
  epsilon: Positive = 1e-8
  weight_decay: NotNegative | None = None
  gradient_clip_norm: Positive | None = 1.0
  ema_decay: _Decay | None = None
  frozen: Patterns = ()

  def __post_init__(self):
    check_fields(self)
    # Gin and JSON make lists.
    object.__setattr__(self, 'frozen', tuple(self.frozen))
    final, name = self.final_learning_rate, self.schedule
    if name not in schedule_lib.ENDING:
      if final:
        raise ConfigError(
          f'FINAL_LEARNING_RATE is {final}, but the {name!r} schedule has no '
          "end: set LEARNING_RATE_SCHEDULE to 'linear' or 'cosine'"
        )
      return
    if self.decay_steps is None or self.decay_steps <= self.warmup_steps:
      raise ConfigError(
        f'DECAY_STEPS is {self.decay_steps}: the {name!r} schedule needs more '
        f'than the {self.warmup_steps} of WARMUP_STEPS'
      )
    if final > self.learning_rate:
      raise ConfigError(
        f'FINAL_LEARNING_RATE is {final}: it must be at most LEARNING_RATE, '
        f'{self.learning_rate}'
      )


def for_model(config: OptimizerConfig, model: DecoderConfig) -> OptimizerConfig:
  """Returns settings that freeze all but adapters, if a model has some.

  Raises:
    ConfigError: It has adapters, and parameters are frozen one by one.
  """
  frozen = (adapters.ALL_OTHERS,)
  if not model.lora_rank or config.frozen == frozen:
    return config
  if config.frozen:
    raise ConfigError(
      'FROZEN is set, but with LORA_RANK adapters alone are trained: remove '
      'it, and choose the projections by LORA_TARGETS'
    )
  return dataclasses.replace(config, frozen=frozen)


def learning_rate(config: OptimizerConfig, step: int | jax.Array) -> jax.Array:
  """Returns the learning rate of a step, counted from 1."""
  return schedule_lib.learning_rate(
    config.schedule,
    config.learning_rate,
    config.warmup_steps,
    config.decay_steps,
    config.final_learning_rate,
    step,
  )


def recorded(config: OptimizerConfig) -> dict[str, Any]:
  """Returns what a checkpoint records of the optimizer: its state's form."""
  return {
    'name': config.optimizer,
    'averages': config.ema_decay is not None,
    'frozen': list(config.frozen),
  }


# What checkpoints that record no optimizer were made with.
_OLD = {'name': 'adafactor', 'averages': False}


def check_recorded(
  config: OptimizerConfig, record: Mapping[str, Any], path: Any
) -> None:
  """Checks that the state of a checkpoint's optimizer is that of `config`.

  Args:
    config: The optimizer that goes on.
    record: The record of the checkpoint.
    path: The checkpoint, for the error.

  Raises:
    ConfigError: It is not; names what differs.
  """
  stored, now = record.get('optimizer', _OLD), recorded(config)
  macros = {'name': 'OPTIMIZER', 'averages': 'EMA_DECAY', 'frozen': 'FROZEN'}
  for key, macro in macros.items():
    was = stored.get(key, now[key])
    if was == now[key]:
      continue
    if key == 'averages':
      words = f'{"with" if was else "without"} {macro}'
    else:
      words = f'with {macro} {was!r}, and it is {now[key]!r} now'
    raise ConfigError(
      f'{path} was trained {words}: set {macro} as it was, or start in another '
      'MODEL_DIR with INITIAL_CHECKPOINT_PATH'
    )


@functools.lru_cache(maxsize=4)
def make_optimizer(config: OptimizerConfig) -> optax.GradientTransformation:
  """Returns the optimizer, applied layer by layer after clipping the gradient.

  Adafactor measures root mean squares per parameter and factors its two largest
  dimensions, so training would otherwise depend on whether layers are stacked.
  Equal configurations give the same object, which `make_train_step` recognizes.
  """
  one_layer = {'adafactor': _adafactor, 'adamw': _adamw}[config.optimizer]
  transformation = _over_layers(one_layer(config))
  if config.gradient_clip_norm is not None:
    clip = optax.clip_by_global_norm(config.gradient_clip_norm)
    transformation = optax.chain(clip, transformation)
  if config.ema_decay is not None:
    transformation = with_average(transformation, config.ema_decay)
  return _of_trained(transformation, config.frozen)


def _adafactor(config):
  return optax.adafactor(
    learning_rate=_rate_of(config),
    min_dim_size_to_factor=config.min_dim_size_to_factor,
    decay_rate=config.decay_rate,
    multiply_by_parameter_scale=config.multiply_by_parameter_scale,
    clipping_threshold=config.clipping_threshold,
    weight_decay_rate=config.weight_decay,
  )


def _adamw(config):
  return optax.adamw(
    learning_rate=_rate_of(config),
    b1=config.beta1,
    b2=config.beta2,
    eps=config.epsilon,
    weight_decay=config.weight_decay or 0.0,
    mask=lambda params: jax.tree.map(lambda param: param.ndim > 1, params),
  )


def _rate_of(config):
  # A function even if constant, so that the state has the same structure with
  # and without a warm-up. Optax counts steps from 0.
  return lambda step: learning_rate(config, step + 1)


def _of_trained(transformation, frozen):

  def init(params):
    return transformation.init(trained(params, frozen))

  def update(updates, state, params):
    return transformation.update(updates, state, trained(params, frozen))

  return optax.GradientTransformation(init, update)


def _over_layers(transformation):
  """Applies a transformation to each layer of the stack, and to the rest."""

  def init(params):
    stacked, rest = _split(params)
    layers = jax.vmap(transformation.init)(stacked) if stacked else {}
    return {'stacked': layers, 'rest': transformation.init(rest)}

  def update(updates, state, params=None):
    stacked_updates, rest_updates = _split(updates)
    stacked_params, rest_params = _split(params)
    stacked, stacked_state = {}, {}
    if stacked_updates:
      stacked, stacked_state = jax.vmap(transformation.update)(
        stacked_updates, state['stacked'], stacked_params
      )
    rest, rest_state = transformation.update(
      rest_updates, state['rest'], rest_params
    )
    new_state = {'stacked': stacked_state, 'rest': rest_state}
    return {**rest, STACKED: stacked}, new_state

  return optax.GradientTransformation(init, update)


def _split(tree):
  return tree[STACKED], rest(tree)
