"""The model of an evaluation: it scores options and writes answers."""

import dataclasses
from typing import Any

from flan_jax.cache.framing import Framing
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.model import DecoderConfig
from flan_jax.terminal.bar import Bar
from flan_jax.vocabulary.base import Vocabulary


@dataclasses.dataclass(frozen=True)
class Models:
  """What answers prompts, without parameters."""

  config: DecoderConfig
  scorer: Scorer
  generator: Generator
  vocabulary: Vocabulary
  framing: Framing


@dataclasses.dataclass(frozen=True)
class Session:
  """Models with parameters, and what follows their work.

  Attributes:
    journal: Holds the answers found earlier, and receives new ones.
    bar: Shows the number of answers; whoever asks sets its total.
  """

  models: Models
  params: Any
  journal: Journal = dataclasses.field(default_factory=Journal)
  bar: Bar = dataclasses.field(default_factory=lambda: Bar(enabled=False))
