"""What reads prompts in a run: scorer and generator, of the same settings."""

import jax

from flan_jax.cache.cached_split import CacheConfig, Framing
from flan_jax.evaluation.evaluator import Models
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.model import DecoderConfig
from flan_jax.vocabulary.base import Vocabulary


def make_models(
  model: DecoderConfig,
  mesh: jax.sharding.Mesh,
  vocabulary: Vocabulary,
  cache_config: CacheConfig,
  tokens_per_batch: int,
  sampling: Sampling | None = None,
) -> Models:
  """Returns a scorer and a generator; nothing is compiled yet.

  Args:
    model: Shape of the decoder.
    mesh: Where they run.
    vocabulary: Whose end token ends an answer.
    cache_config: Says what stands between the spans.
    tokens_per_batch: Places of a batch, over all devices.
    sampling: How tokens are drawn; None takes the most probable.
  """
  return Models(
    scorer=Scorer(model, mesh, tokens_per_batch),
    generator=Generator(
      model,
      mesh,
      vocabulary.eos_id,
      tokens_per_batch,
      sampling,
      vocab_size=vocabulary.size,
    ),
    vocabulary=vocabulary,
    framing=Framing.of(cache_config, vocabulary),
  )
