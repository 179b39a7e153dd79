"""Checkpoints of soft prompts: the frozen parameters are not in them."""

from collections.abc import Mapping
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.model.soft_prompt import PROMPT
from flan_jax.training.checkpoint import Checkpointer


class PromptCheckpointer(Checkpointer):
  """Writes and reads train states without the base model's parameters."""

  def save(
    self,
    step: int,
    state: Mapping[str, Any],
    record: Mapping[str, Any],
    score: float | None = None,
  ) -> None:
    super().save(step, _without_base(state), record, score)

  def restore_latest(
    self, abstract_state: Mapping[str, Any]
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """As in `Checkpointer`; `params` of the state holds the prompt alone."""
    return super().restore_latest(_without_base(abstract_state))


def is_prompt(record: Mapping[str, Any]) -> bool:
  """Returns whether a record is that of a soft prompt."""
  return 'base' in record


def check_model(checkpoint: str) -> None:
  """Raises ConfigError if a checkpoint holds a soft prompt, not a model."""
  record = Checkpointer.read_record(checkpoint)
  if is_prompt(record):
    raise ConfigError(
      f'{checkpoint} holds a soft prompt for {record["base"]["checkpoint"]}, '
      'not a model: use PROMPTS_FROM of `flan-jax eval`, or --prompt of '
      '`flan-jax export`'
    )


def check_base(
  record: Mapping[str, Any], digest: int, prompt: str, base: str
) -> None:
  """Checks that a prompt was trained on a base model.

  Args:
    record: The record of the prompt's checkpoint.
    digest: `params_digest` of the base model's parameters.
    prompt: Where the prompt is, for the error.
    base: Where the base model is, for the error.

  Raises:
    ConfigError: It was trained on another one.
  """
  trained_on = record['base']
  if trained_on['params_digest'] != digest:
    raise ConfigError(
      f'the prompt in {prompt} was trained on {trained_on["checkpoint"]} '
      f'(params_digest {trained_on["params_digest"]}), not on {base} '
      f'({digest}): use its own base model'
    )


def _without_base(state):
  return {**state, 'params': {PROMPT: state['params'][PROMPT]}}
