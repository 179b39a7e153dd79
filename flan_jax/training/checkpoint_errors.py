"""Errors of checkpoints."""

from flan_jax.errors import UserError


class CheckpointError(UserError):
  """A checkpoint that is missing, or exists and must not be overwritten."""


class CheckpointMismatchError(CheckpointError):
  """A checkpoint of another shape; lists all names that do not fit."""


class CheckpointDamagedError(CheckpointError):
  """A checkpoint that cannot be read, or is not as it was written."""
