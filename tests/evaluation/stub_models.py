"""Models whose scores and texts are known."""

import numpy as np

from flan_jax.cache.framing import Framing
from flan_jax.evaluation.models import Models
from flan_jax.model import DecoderConfig

# The token of the uninformative prompt.
_ALONE = 5


def tiny_config(position='rope', vocab_size=50) -> DecoderConfig:
  """A decoder of two layers."""
  return DecoderConfig(
    vocab_size=vocab_size,
    num_layers=2,
    d_model=16,
    d_ff=32,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    position=position,
  )


class StubScorer:
  """Prefers option 0, and even more so without a prompt.

  Attributes:
    asked: Number of examples scored so far.
  """

  compute_dtype = 'float32'

  def __init__(self):
    self.asked = 0

  def scored(self, params, examples):
    for index, example in enumerate(examples):
      self.asked += 1
      first = -0.1 if example.prompt[0] == _ALONE else -1.0
      yield index, [np.float32([first, -0.5]), np.float32([-2.0, -0.5])]


class StubGenerator:
  """Writes the same tokens after every prompt.

  Attributes:
    asked: Number of prompts answered so far.
  """

  def __init__(self, tokens=(7,)):
    self._tokens = list(tokens)
    self.asked = 0

  def answers(self, params, prompts, limits, stop):
    for index, _ in enumerate(prompts):
      self.asked += 1
      yield index, self._tokens


class StubVocabulary:
  """Knows two words, and shows other tokens as numbers."""

  def encode(self, text):
    return [_ALONE]

  def decode(self, tokens):
    return ' '.join({7: 'Yes.', 8: 'red'}[token] for token in tokens)

  def decode_markup(self, tokens):
    return ' '.join(map(str, tokens))


def stub_models(tokens=(7,)) -> Models:
  """Models that rank option 0 first and write the words of `tokens`."""
  return Models(
    config=tiny_config(),
    scorer=StubScorer(),
    generator=StubGenerator(tokens),
    vocabulary=StubVocabulary(),
    framing=Framing((), (1,), (1,), ()),
  )
