"""Decoding token by token predicts what reading the whole text does."""

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.model import decoding, hidden_states, target_logits
from tests.model.tiny_decoders import EVERY, examples, make_batch, make_params

_decode = jax.jit(decoding.decode_step, static_argnums=0)


@EVERY
def test_decoding_continues_a_packed_prompt(config):
  params = make_params(config)
  other, text = examples(4, 13)
  prompt = 5
  packed = make_batch([[other, text[:prompt]]])

  @jax.jit
  def read(params, whole, packed):
    hidden = hidden_states(config, params, whole)
    _, kept = decoding.prefill(config, params, packed)
    return target_logits(config, params, hidden), kept

  # Longer than the cache, so that `insert` can cut it.
  padded = {k: np.pad(v, ((0, 0), (0, 11))) for k, v in packed.items()}
  expected, kept = read(params, make_batch([[text]]), padded)
  cache = decoding.insert(
    decoding.empty(config, 2, len(text)), kept, 1, 0, len(other)
  )
  for place in range(prompt, len(text)):
    tokens, positions = jnp.array([0, text[place]]), jnp.array([0, place])
    logits, cache = _decode(config, params, cache, tokens, positions)
    np.testing.assert_allclose(
      logits[1], expected[0, place], rtol=1e-4, atol=1e-4
    )
