"""Learning rates over the steps of a run."""

from typing import Literal

import jax
import jax.numpy as jnp
import optax

Schedule = Literal['constant', 'linear', 'cosine', 'rsqrt']
# Those that end at a final value.
ENDING = ('linear', 'cosine')


def learning_rate(
  schedule: Schedule,
  peak: float,
  warmup_steps: int,
  decay_steps: int | None,
  final: float,
  step: int | jax.Array,
) -> jax.Array:
  """Returns the learning rate of a step, counted from 1.

  It rises linearly to the peak, and then follows the schedule. That of 'rsqrt'
  is T5X's: the peak times the root of the share of the warm-up (at least one
  step) in the steps before this one.

  Args:
    schedule: Name of the schedule.
    peak: Rate at the end of the warm-up.
    warmup_steps: Steps of the warm-up.
    decay_steps: Steps, warm-up included, after which 'linear' and 'cosine'
      arrive at the final rate; more of them than of the warm-up.
    final: The final rate.
    step: The step.
  """
  warm = max(warmup_steps, 1)
  if schedule == 'linear':
    decay = optax.linear_schedule(peak, final, decay_steps - warmup_steps)
  elif schedule == 'cosine':
    decay = optax.cosine_decay_schedule(
      peak, decay_steps - warmup_steps, final / peak
    )
  elif schedule == 'rsqrt':
    decay = _rsqrt_schedule(peak, warm)
  else:
    decay = optax.constant_schedule(peak)
  after = jnp.maximum(step - 1 - warmup_steps, 0)
  return decay(after) * jnp.minimum(step / warm, 1.0)


def _rsqrt_schedule(peak: float, warm: int) -> optax.Schedule:
  # Optax has none.
  return lambda count: peak * jax.lax.rsqrt(1.0 + count / warm)
