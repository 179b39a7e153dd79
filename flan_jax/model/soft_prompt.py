"""Soft prompts: trained vectors in the places of tokens.

Lester et al. 2021, arXiv:2104.08691. The parameter `prompt` [P, D] holds the
vectors, and a negative token id names one of them: -1 the first, -2 the second.
An example with a soft prompt is therefore a sequence of ids like any other.
Packing, options that share a prompt and cached keys need to know nothing of it.
Several prompts are ranges of one table.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int
import numpy as np

from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.parameters import Params
from flan_jax.sharding import rules

# The name of the parameter.
PROMPT = 'prompt'
# Matches the full names of all other parameters, see `OptimizerConfig.frozen`.
ALL_OTHERS = f'(?!{PROMPT}$).*'


def prompt_ids(first: int, count: int) -> tuple[int, ...]:
  """Returns the token ids of some vectors, from the number `first` on.

  >>> prompt_ids(0, 3), prompt_ids(3, 2)
  ((-1, -2, -3), (-4, -5))
  """
  return tuple(range(-1 - first, -1 - first - count, -1))


def embed(
  config: DecoderConfig, params: Params, tokens_BxL: Int[Array, 'B L']
) -> Float[Array, 'B L D']:
  """Returns the embedding of each token, or the vector of a negative id.

  In the compute type. `scale_embedding` multiplies embeddings, not vectors.
  """
  # Like every parameter, the table is gathered over `fsdp` before its use.
  table_VxD = rules.constrain(params['embedding'], 'vocab', 'residual')
  if PROMPT not in params:
    return read(config, table_VxD, tokens_BxL)
  tokens_BxL = jnp.asarray(tokens_BxL)
  x_BxLxD = read(config, table_VxD, jnp.maximum(tokens_BxL, 0))
  number_BxL = jnp.maximum(-1 - tokens_BxL, 0)
  vectors_BxLxD = jnp.take(params[PROMPT], number_BxL, axis=0)
  vectors_BxLxD = vectors_BxLxD.astype(config.compute_dtype)
  return jnp.where(tokens_BxL[:, :, None] < 0, vectors_BxLxD, x_BxLxD)


def read(
  config: DecoderConfig,
  table_VxD: Float[Array, 'V D'],
  tokens: Int[Array, '...'],
) -> Float[Array, '... D']:
  """Returns the embedding of each token in the compute type."""
  x = jnp.take(table_VxD, tokens, axis=0).astype(config.compute_dtype)
  if config.scale_embedding:
    # Rounded to the type first, as published models were trained.
    x = x * jnp.asarray(config.d_model**0.5, config.compute_dtype)
  return x


def from_tokens(
  config: DecoderConfig,
  params: Params,
  ids: Sequence[Sequence[int]],
  mesh: jax.sharding.Mesh,
) -> Float[Array, 'P D']:
  """Returns the mean embedding of each group of tokens, on every device."""
  owner = np.repeat(np.arange(len(ids)), [len(group) for group in ids])
  exact = dataclasses.replace(config, compute_dtype='float32')
  flat = np.array([token for group in ids for token in group], np.int32)

  def mean(table_VxD):
    rows_TxD = read(exact, table_VxD, flat)
    sums_PxD = jax.ops.segment_sum(rows_TxD, owner, len(ids))
    return sums_PxD / np.bincount(owner).astype(np.float32)[:, None]

  whole = rules.replicated(mesh)
  return jax.jit(mean, out_shardings=whole)(params['embedding'])


def uniform(
  vectors: int, width: int, most: float, seed: int, mesh: jax.sharding.Mesh
) -> Float[Array, 'P D']:
  """Returns values drawn evenly from [-most, most], on every device."""
  generator = np.random.default_rng(seed)
  values = generator.uniform(-most, most, (vectors, width))
  return rules.place(values.astype(np.float32), rules.replicated(mesh))


def add_to(params: Params, vectors_PxD: Any) -> Params:
  """Returns parameters with a soft prompt; the others are not copied."""
  return {**params, PROMPT: vectors_PxD}
