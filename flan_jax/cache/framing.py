"""The settings of a cache, and what they put around the spans of an example."""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import types
from typing import Annotated

import numpy as np

from flan_jax.errors import ConfigError
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.setting_types import Count, Only, Path, check_fields
from flan_jax.vocabulary.base import Vocabulary

# Where a PROMPT_FORMAT puts the input.
INPUT = '{input}'

Lengths = Annotated[
  Mapping[str, Count],
  Only(
    "{'inputs': …, 'targets': …} with integers of at least 1",
    lambda lengths: set(lengths) == {'inputs', 'targets'},
  ),
]
_Format = Annotated[
  str,
  Only(
    f"a text that contains {INPUT} exactly once, as in '{INPUT} Answer:'",
    lambda text: text.count(INPUT) == 1,
  ),
]


@dataclasses.dataclass(frozen=True)
class CacheConfig:
  """What decides the tokens of a cache besides the dataset itself.

  Attributes:
    cache_dir: The cache directory, local or `gs://…`.
    data_dir: TFDS data directory; None for TFDS's own default.
    lengths: Most tokens of one example's `inputs`, including what starts and
      separates them, and of its `targets`, including their end token.
    prompt_format: Text around '{input}', such as 'Q: {input} A:'; None to put
      only the end token after the input, as in the paper. The name of a
      special token stands for that token.
    exemplar_separator: Text after the target of an exemplar; None for the end
      token.
  """

  cache_dir: Path
  data_dir: Path | None = None
  lengths: Lengths = dataclasses.field(
    default_factory=lambda: dict(DEFAULT_LENGTHS)
  )
  prompt_format: _Format | None = None
  exemplar_separator: str | None = None

  def __post_init__(self):
    check_fields(self)


@dataclasses.dataclass(frozen=True)
class Framing:
  """The tokens around the spans of an example.

  Attributes:
    start: Tokens before the input: BOS if the vocabulary has one, and the text
      that PROMPT_FORMAT puts before the input.
    separator: Tokens between input and target.
    end: Tokens after a target that was not cut.
    between: Tokens after the target of an exemplar.
  """

  start: tuple[int, ...]
  separator: tuple[int, ...]
  end: tuple[int, ...]
  between: tuple[int, ...]

  @classmethod
  def of(cls, config: CacheConfig, vocabulary: Vocabulary) -> 'Framing':
    """Returns the framing of a run: [BOS] input SEP target EOS.

    Raises:
      ConfigError: It leaves no token for the input.
    """
    start = () if vocabulary.bos_id is None else (vocabulary.bos_id,)
    before, after = '', None
    if config.prompt_format is not None:
      before, after = config.prompt_format.split(INPUT)
    framing = cls(
      start=(*start, *vocabulary.encode_markup(before)),
      separator=_separator_ids(after, vocabulary),
      end=(vocabulary.eos_id,),
      between=_separator_ids(config.exemplar_separator, vocabulary),
    )
    overhead, most = framing.prompt_overhead, config.lengths['inputs']
    if overhead >= most:
      raise ConfigError(
        f"TASK_FEATURE_LENGTHS has {most} tokens for 'inputs', of which "
        f'{overhead} are around the input (see PROMPT_FORMAT): raise it'
      )
    return framing

  @functools.cached_property
  def arrays(self) -> types.SimpleNamespace:
    """The same as int32 arrays."""
    tokens = dataclasses.asdict(self).items()
    return types.SimpleNamespace(
      **{name: np.array(ids, np.int32) for name, ids in tokens}
    )

  def after(self, ids: Sequence[int]) -> 'Framing':
    """Returns the framing with more ids before each example."""
    return dataclasses.replace(self, start=(*ids, *self.start))

  @property
  def prompt_overhead(self) -> int:
    return len(self.start) + len(self.separator)

  def prompt(self, span: Sequence[int]) -> list[int]:
    return [*self.start, *span, *self.separator]

  def target(self, span: Sequence[int], cut: bool) -> list[int]:
    return [*span, *(() if cut else self.end)]


def _separator_ids(text: str | None, vocabulary: Vocabulary) -> tuple[int, ...]:
  """Returns the tokens of a separator; the end token if it is None."""
  if text is None:
    return (vocabulary.eos_id,)
  return tuple(vocabulary.encode_markup(text))
