"""What an evaluation asks beyond its parts."""

from collections.abc import Sequence
import dataclasses


@dataclasses.dataclass(frozen=True)
class EvalConfig:
  """Settings of an evaluation.

  Attributes:
    max_rows: Most rows of a part; None for all.
    stop: Texts before which an answer in free text ends, beside the end token.
      Base models that know no end token need them.
    write_options: Whether what has options is answered in free text, too:
      results then say how often an option is what the model writes.
    contaminated: JSON file of part -> ids of test rows that pretraining may
      have seen; results then also say what the other rows give.
  """

  max_rows: int | None = None
  stop: Sequence[str] = ()
  write_options: bool = False
  contaminated: str | None = None

  def __post_init__(self):
    stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)
    object.__setattr__(self, 'stop', check_stop(stop))
    if self.max_rows is not None and self.max_rows < 1:
      raise ValueError(
        f'MAX_EVAL_ROWS must be at least 1, or None for all rows, not '
        f'{self.max_rows!r}'
      )


def check_stop(texts: Sequence[str]) -> tuple[str, ...]:
  """Returns the texts that end an answer.

  Raises:
    ValueError: one is empty, or no text.
  """
  for text in texts:
    if not isinstance(text, str) or not text:
      raise ValueError(
        f'STOP must be texts that are not empty, not {text!r}: leave it out, '
        "or give a list, as ['\\n']"
      )
  return tuple(texts)
