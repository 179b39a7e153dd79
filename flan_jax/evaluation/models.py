"""The model of an evaluation: it scores options and writes answers."""

from collections.abc import Callable
import dataclasses
from typing import Any

import jax

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.model import DecoderConfig
from flan_jax.vocabulary.base import Vocabulary


@dataclasses.dataclass(frozen=True)
class Models:
  """What answers prompts, without parameters.

  Attributes:
    config: Shape of the decoder.
    scorer: Ranks options.
    generator: Writes free text.
    vocabulary: Turns tokens into text.
    framing: The tokens around an input.
  """

  config: DecoderConfig
  scorer: Scorer
  generator: Generator
  vocabulary: Vocabulary
  framing: Framing


@dataclasses.dataclass(frozen=True)
class Session:
  """Models with parameters, and what follows their work.

  Attributes:
    models: What answers.
    params: Parameters of the decoder.
    journal: Holds the answers found earlier, and receives new ones.
    advance: Called with the number of answers since the last call.
  """

  models: Models
  params: Any
  journal: Journal = dataclasses.field(default_factory=Journal)
  advance: Callable[[int], None] = lambda count: None


def make_models(
  config: DecoderConfig,
  mesh: jax.sharding.Mesh,
  vocabulary: Vocabulary,
  cache_config: CacheConfig,
  tokens_per_batch: int,
  sampling: Sampling | None = None,
) -> Models:
  """Returns a scorer and a generator; nothing is compiled yet.

  Args:
    config: Shape of the decoder.
    mesh: Where they run.
    vocabulary: Its end token ends an answer.
    cache_config: Its prompt format frames inputs.
    tokens_per_batch: Tokens of a batch, over all devices.
    sampling: How tokens are drawn; None takes the most probable.
  """
  return Models(
    config=config,
    scorer=Scorer(config, mesh, tokens_per_batch),
    generator=Generator(
      config,
      mesh,
      vocabulary.eos_id,
      tokens_per_batch,
      sampling,
      vocab_size=vocabulary.size,
    ),
    vocabulary=vocabulary,
    framing=Framing.of(cache_config, vocabulary),
  )
