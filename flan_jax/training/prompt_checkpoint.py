"""Checkpoints of soft prompts: the frozen parameters are not in them."""

from collections.abc import Callable, Mapping
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
    self,
    abstract_state: Mapping[str, Any],
    check: Callable[[Mapping[str, Any], Any], None] | None = None,
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """As in `Checkpointer`; `params` of the state holds the prompt alone."""
    return super().restore_latest(_without_base(abstract_state), check)


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
