"""Keeps the checkpoint with the highest score."""

from collections.abc import Mapping, Sequence

from orbax.checkpoint.checkpoint_managers import preservation_policy


class KeepBest(preservation_policy.PreservationPolicy):
  """Keeps the checkpoint with the highest score, the first of equals.

  Orbax's own policy reads a file without a digest in each checkpoint.
  """

  def __init__(self, scores: Mapping[int, float]):
    """Keeps the best by scores by step, which may grow."""
    self._scores = scores

  def should_preserve(
    self,
    checkpoints: Sequence[preservation_policy.PolicyCheckpointInfo],
    *,
    context: preservation_policy.PreservationContext,
  ) -> Sequence[bool]:
    """Returns whether each checkpoint is the best; none if none has a score."""
    scored = [c.step for c in checkpoints if c.step in self._scores]
    best = max(scored, key=self._scores.get, default=None)
    return [checkpoint.step == best for checkpoint in checkpoints]
