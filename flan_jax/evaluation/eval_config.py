"""What an evaluation asks beyond its parts."""

from collections.abc import Sequence
import dataclasses

from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.stopping import stop_texts


@dataclasses.dataclass(frozen=True)
class EvalConfig:
  """Settings of an evaluation.

  Attributes:
    max_rows: Most rows of a part; None for all.
    stop: Texts that end a free-text answer, besides the end token. Base models
      that do not write an end token need them.
    write_options: Whether the model also answers in free text where it ranks
      options. Results then report how often it writes one of the options.
    examples: Most rows of a part and group of templates that are described for
      people to read, with a free-text answer; 0 for none.
    contaminated: JSON file of part -> ids of test rows that pretraining may
      have seen. Results then also cover the remaining rows alone.
  """

  max_rows: int | None = None
  stop: Sequence[str] = ()
  write_options: bool = False
  examples: int = 0
  contaminated: str | None = None

  def __post_init__(self):
    object.__setattr__(self, 'stop', stop_texts(self.stop))
    if self.max_rows is not None and self.max_rows < 1:
      raise ConfigError(
        f'MAX_EVAL_ROWS must be at least 1, or None for all rows, not '
        f'{self.max_rows!r}'
      )
    if not isinstance(self.examples, int) or self.examples < 0:
      raise ConfigError(
        f'EVAL_EXAMPLES must be a number of rows, or 0 for none, not '
        f'{self.examples!r}'
      )
