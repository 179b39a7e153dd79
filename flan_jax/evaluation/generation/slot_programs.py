"""The device programs of generation: read prompts, insert them, add tokens."""

from collections.abc import Mapping
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.evaluation.generation.sampling import Sampling, choose
from flan_jax.model import (
  DecoderConfig,
  decoding,
  resolve_attention,
  target_logits,
)
from flan_jax.model.decoding import KeyValues
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

# Tokens that each slot generates before the host looks at them.
_CHUNK = 8
# Marks a step at which a slot added no token.
_NOTHING = -1


class SlotPrograms:
  """Compiled programs over a batch whose rows ("slots") hold one answer each.

  A slot's prompt and answer are the first tokens of its keys and values.

  Attributes:
    shards: Number of shards that the slots are divided among.
    end: The token that ends an answer.
  """

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    end: int,
    sampling: Sampling,
    vocab_size: int,
  ):
    """Initializes the programs; see `Generator` for the arguments."""
    self.shards = batch_shards(mesh)
    self.end = end
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    self._config = resolve_attention(config, mesh)
    self._sampling = sampling
    self._vocab_size = vocab_size
    whole = replicated(mesh)
    empty = functools.partial(decoding.empty, config)
    self._empty = jax.jit(empty, static_argnums=(0, 1))
    self._prefill = jax.jit(self._read_prompts, out_shardings=(whole, None))
    self._insert = jax.jit(decoding.insert, donate_argnums=0)
    self._advance = jax.jit(
      self._add_tokens, out_shardings=(None, whole), donate_argnums=1
    )

  def empty(self, slots: int, length: int) -> KeyValues:
    """Returns keys and values with room for `length` tokens in each slot."""
    with jax.set_mesh(self._mesh):
      return self._empty(slots, length)

  def prefill(
    self,
    params: Any,
    batch: Mapping[str, np.ndarray],
    last_P: np.ndarray,
    row_P: np.ndarray,
    prompts_P: np.ndarray,
  ) -> tuple[jax.Array, KeyValues]:
    """Reads packed prompts.

    Args:
      params: Parameters of the decoder.
      batch: Rows of prompts, as for `hidden_states`.
      last_P: Index of each prompt's last token in its row.
      row_P: The row of each prompt.
      prompts_P: The number of each prompt, which seeds its draws.

    Returns:
      The first token of each answer, int32 [P]; keys and values of the rows.
    """
    fields = ('tokens', 'segments', 'positions')
    placed = place({name: batch[name] for name in fields}, self._sharding)
    with jax.set_mesh(self._mesh):
      return self._prefill(params, placed, last_P, row_P, prompts_P)

  def insert(
    self, cache: KeyValues, read: KeyValues, slot: int, row: int, start: int
  ) -> KeyValues:
    """Copies a prompt to a slot; `cache`, which holds the slots, is donated.

    `read` is from `prefill`; the prompt begins at `start` in this `row` of it.
    """
    with jax.set_mesh(self._mesh):
      return self._insert(cache, read, slot, row, start)

  def advance(
    self, params: Any, cache: KeyValues, state: Mapping[str, np.ndarray]
  ) -> tuple[KeyValues, list[list[int]]]:
    """Adds a few tokens to every active slot; `cache` is donated.

    The state holds for each slot, int32 unless noted: `token`, the last one of
    its answer; `position` of that token; `made`, tokens of the answer so far;
    `limit`, the most of them; `prompt`, its number; `active`, bool. Returns the
    cache, and the tokens that each slot added.
    """
    placed = place(dict(state), self._sharding)
    with jax.set_mesh(self._mesh):
      cache, made_CxB = self._advance(params, cache, placed)
    return cache, [
      [token for token in tokens if token != _NOTHING]
      for tokens in np.asarray(made_CxB).T.tolist()
    ]

  def _read_prompts(self, params, batch, last_P, row_P, prompts_P):
    hidden, read = decoding.prefill(self._config, params, batch)
    hidden_Px1xD = hidden[row_P, last_P][:, None]
    logits = target_logits(self._config, params, hidden_Px1xD)[:, 0]
    return self._choose(logits, prompts_P, jnp.zeros_like(prompts_P)), read

  def _add_tokens(self, params, cache, state):
    def unfinished(carry):
      step, _, state, _ = carry
      return (step < _CHUNK) & jnp.any(state['active'])

    def add(carry):
      step, cache, state, made_CxB = carry
      logits, cache = decoding.decode_step(
        self._config, params, cache, state['token'], state['position']
      )
      token = self._choose(logits, state['prompt'], state['made'])
      active = state['active']
      made_CxB = made_CxB.at[step].set(jnp.where(active, token, _NOTHING))
      made = state['made'] + active
      state = {
        **state,
        'token': jnp.where(active, token, state['token']),
        # An idle slot writes where its next prompt overwrites it.
        'position': state['position'] + active,
        'made': made,
        'active': active & (token != self.end) & (made < state['limit']),
      }
      return step + 1, cache, state, made_CxB

    made_CxB = jnp.full((_CHUNK, state['token'].shape[0]), _NOTHING, jnp.int32)
    carry = (jnp.int32(0), cache, state, made_CxB)
    _, cache, _, made_CxB = jax.lax.while_loop(unfinished, add, carry)
    return cache, made_CxB

  def _choose(self, logits_BxV, prompts_B, places_B):
    beyond_V = jnp.arange(logits_BxV.shape[1]) >= self._vocab_size
    logits_BxV = jnp.where(beyond_V[None], -jnp.inf, logits_BxV)
    return choose(self._sampling, logits_BxV, prompts_B, places_B)
