"""Checkpoints of what is trained beside a frozen base: a prompt, or adapters.

The parameters of the base are not in them. Their record names the base, by its
place and by the digest of its parameters.
"""

from collections.abc import Callable, Mapping
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.model import adapters
from flan_jax.model.soft_prompt import PROMPT
from flan_jax.training.checkpoint import Checkpointer


class _PartCheckpointer(Checkpointer):
  """Writes and reads train states without the base model's parameters."""

  @staticmethod
  def _part(params: Any) -> Any:
    """Returns the parameters that are saved."""
    raise NotImplementedError

  def save(
    self,
    step: int,
    state: Mapping[str, Any],
    record: Mapping[str, Any],
    score: float | None = None,
  ) -> None:
    super().save(step, self._without_base(state), record, score)

  def restore_latest(
    self,
    abstract_state: Mapping[str, Any],
    check: Callable[[Mapping[str, Any], Any], None] | None = None,
  ) -> tuple[dict[str, Any], dict[str, Any], int] | None:
    """As in `Checkpointer`; `params` of the state holds the part alone."""
    return super().restore_latest(self._without_base(abstract_state), check)

  def _without_base(self, state):
    return {**state, 'params': self._part(state['params'])}


class PromptCheckpointer(_PartCheckpointer):
  """Writes and reads train states with a soft prompt alone."""

  @staticmethod
  def _part(params: Any) -> Any:
    return {PROMPT: params[PROMPT]}


class AdapterCheckpointer(_PartCheckpointer):
  """Writes and reads train states with adapters alone."""

  _part = staticmethod(adapters.only)


def check_base(
  record: Mapping[str, Any], digest: int, part: str, base: str
) -> None:
  """Checks that a prompt or adapters were trained on a base model.

  Args:
    record: The record of their checkpoint.
    digest: `params_digest` of the base model's parameters.
    part: Where they are, for the error.
    base: Where the base model is, for the error.

  Raises:
    ConfigError: They were trained on another one.
  """
  trained_on = record['base']
  if trained_on['params_digest'] != digest:
    raise ConfigError(
      f'what is in {part} was trained on {trained_on["checkpoint"]} '
      f'(params_digest {trained_on["params_digest"]}), not on {base} '
      f'({digest}): use its own base model'
    )
