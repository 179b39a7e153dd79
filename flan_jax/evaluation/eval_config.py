"""What an evaluation asks beyond its parts."""

import dataclasses

from flan_jax.evaluation.generation.stopping import stop_texts
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  Path,
  Text,
  Texts,
  check_fields,
)


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
    record_prompts: Whether the records hold the text of each prompt, which
      makes up most of their size.
    contaminated: JSON file of part -> ids of test rows that pretraining may
      have seen. Results then also cover the remaining rows alone.
    require_held_out: Whether to refuse a model that was trained on what is
      evaluated, or on its cluster, instead of saying so.
  """

  max_rows: Count | None = None
  stop: Text | Texts | None = ()
  write_options: bool = False
  examples: CountOrZero = 0
  record_prompts: bool = True
  contaminated: Path | None = None
  require_held_out: bool = False

  def __post_init__(self):
    check_fields(self)
    object.__setattr__(self, 'stop', stop_texts(self.stop))
