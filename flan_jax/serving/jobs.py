"""The work that requests are made of, and how its results come back."""

from collections.abc import Callable, Sequence
import dataclasses
from typing import Any

from flan_jax.batches.packing import Example
from flan_jax.evaluation.generation.slot_batch import Continuation, Predicted
from flan_jax.serving.api_error import ApiError


@dataclasses.dataclass(frozen=True)
class Piece:
  """Tokens that an answer has gained.

  Attributes:
    answer: All its tokens so far.
    predicted: As many as tokens if they were asked for; none otherwise.
    finish: 'stop' or 'length' of a whole answer; None if it continues.
    end: The end token, if one ended the answer.
  """

  answer: tuple[int, ...]
  predicted: tuple[Predicted, ...]
  finish: str | None = None
  end: int | None = None


@dataclasses.dataclass(frozen=True)
class Scored:
  """The scores of an example.

  Attributes:
    targets: Of each target the log-likelihoods of its tokens, in nats, or what
      was predicted in their places if that was asked for.
  """

  targets: tuple[tuple[float | Predicted, ...], ...]


# What a job delivers; an error is its last result.
Result = Piece | Scored | ApiError


@dataclasses.dataclass(eq=False)
class Job:
  """Work for one model.

  Attributes:
    params: Parameters of the model.
    deliver: Receives results, in the scheduler's thread.
    cancelled: Set, by any thread, when nobody waits for results any more.
  """

  params: Any
  deliver: Callable[[Result], None]
  cancelled: bool = dataclasses.field(default=False, init=False)


@dataclasses.dataclass(eq=False)
class Generation(Job):
  """Continues a prompt; `streamed` delivers pieces while it is continued."""

  slot: Continuation
  streamed: bool = False

  @property
  def length(self) -> int:
    """The tokens of the prompt and the longest answer."""
    return len(self.slot.prompt) + self.slot.limit


@dataclasses.dataclass(eq=False)
class Scoring(Job):
  """Scores the targets of an example.

  Attributes:
    asked: Whether alternatives to the tokens are delivered too.
  """

  example: Example
  asked: bool = False


def cancel(jobs: Sequence[Job]) -> None:
  """Tells the scheduler that nobody waits for these any more."""
  for job in jobs:
    job.cancelled = True
