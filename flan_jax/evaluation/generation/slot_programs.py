"""The device programs of generation: read prompts, insert them, add tokens."""

from collections.abc import Mapping, Sequence
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.evaluation.generation.sampling import Draws, choose
from flan_jax.model import (
  DecoderConfig,
  decoding,
  resolve_attention,
  target_logits,
)
from flan_jax.model.alternatives import (
  Alternatives,
  alternatives,
  no_alternatives,
)
from flan_jax.model.decoding import KeyValues
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

# Tokens that each slot generates before the host looks at them.
_CHUNK = 8
# Marks a step at which a slot added no token.
NOTHING = -1
# Alternatives of each token.
ALTERNATIVES = 5


class Chosen(NamedTuple):
  """Tokens that were chosen, of any leading dimensions."""

  tokens: jax.Array
  # What the model predicted in their places. Unknown, and zero, if no slot of
  # the batch asked for it.
  predicted: Alternatives


class SlotPrograms:
  """Compiled programs over a batch whose rows ("slots") hold one answer each.

  A slot's prompt and answer are the first tokens of its keys and values.

  Attributes:
    shards: Number of shards that the slots are divided among.
    ends: The tokens that end an answer.
  """

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    ends: Sequence[int],
    vocab_size: int,
  ):
    """Initializes the programs; see `Generator` for the arguments."""
    self.shards = batch_shards(mesh)
    self.ends = tuple(ends)
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    self._config = resolve_attention(config, mesh)
    self._vocab_size = vocab_size
    whole = replicated(mesh)
    empty = functools.partial(decoding.empty, config)
    self._empty = jax.jit(empty, static_argnums=(0, 1))
    self._grow = jax.jit(decoding.grow, static_argnums=1)
    self._prefill = jax.jit(self._read_prompts, out_shardings=(whole, None))
    self._insert = jax.jit(decoding.insert, donate_argnums=0)
    self._advance = jax.jit(
      self._add_tokens, out_shardings=(None, whole), donate_argnums=1
    )

  def empty(self, slots: int, length: int) -> KeyValues:
    """Returns keys and values with room for `length` tokens in each slot."""
    with jax.set_mesh(self._mesh):
      return self._empty(slots, length)

  def grow(self, cache: KeyValues, slots: int) -> KeyValues:
    """Returns a cache of more slots, those of `cache` first."""
    with jax.set_mesh(self._mesh):
      return self._grow(cache, slots)

  def prefill(
    self,
    params: Any,
    batch: Mapping[str, np.ndarray],
    last_P: np.ndarray,
    row_P: np.ndarray,
    draws_P: Draws,
    asked_P: np.ndarray,
  ) -> tuple[Chosen, KeyValues]:
    """Reads packed prompts.

    Args:
      params: Parameters of the decoder.
      batch: Rows of prompts, as for `hidden_states`.
      last_P: Index of each prompt's last token in its row.
      row_P: The row of each prompt.
      draws_P: How the first tokens are drawn.
      asked_P: Whether alternatives to a prompt's tokens are asked for.

    Returns:
      The first token of each answer [P]; keys and values of the rows.
    """
    fields = ('tokens', 'segments', 'positions')
    placed = place({name: batch[name] for name in fields}, self._sharding)
    with jax.set_mesh(self._mesh):
      return self._prefill(params, placed, last_P, row_P, draws_P, asked_P)

  def insert(
    self, cache: KeyValues, read: KeyValues, slot: int, row: int, start: int
  ) -> KeyValues:
    """Copies a prompt to a slot; `cache`, which holds the slots, is donated.

    `read` is from `prefill`; the prompt begins at `start` in this `row` of it.
    """
    with jax.set_mesh(self._mesh):
      return self._insert(cache, read, slot, row, start)

  def advance(
    self, params: Any, cache: KeyValues, state: Mapping[str, Any]
  ) -> tuple[KeyValues, Chosen]:
    """Adds a few tokens to every active slot; `cache` is donated.

    The state holds for each slot, int32 unless noted: `token`, the last one of
    its answer; `position` of that token; `made`, tokens of the answer so far;
    `limit`, the most of them; `draws`, a `Draws`; `active` and `asked`, bool.

    Returns:
      The cache, and what was chosen [C, B]: `NOTHING` for a slot that ended
      before a step.
    """
    placed = place(dict(state), self._sharding)
    with jax.set_mesh(self._mesh):
      return self._advance(params, cache, placed)

  def _read_prompts(self, params, batch, last_P, row_P, draws_P, asked_P):
    hidden, read = decoding.prefill(self._config, params, batch)
    hidden_Px1xD = hidden[row_P, last_P][:, None]
    logits = target_logits(self._config, params, hidden_Px1xD)[:, 0]
    places_P = jnp.zeros_like(draws_P.prompt)
    return self._choose(logits, draws_P, places_P, asked_P), read

  def _add_tokens(self, params, cache, state):
    def unfinished(carry):
      step, _, state, _ = carry
      return (step < _CHUNK) & jnp.any(state['active'])

    def add(carry):
      step, cache, state, made = carry
      logits, cache = decoding.decode_step(
        self._config, params, cache, state['token'], state['position']
      )
      chosen = self._choose(
        logits, state['draws'], state['made'], state['asked']
      )
      active = state['active']
      kept = chosen._replace(tokens=jnp.where(active, chosen.tokens, NOTHING))
      made = jax.tree.map(lambda all_, new: all_.at[step].set(new), made, kept)
      count = state['made'] + active
      state = {
        **state,
        'token': jnp.where(active, chosen.tokens, state['token']),
        # An idle slot writes where its next prompt overwrites it.
        'position': state['position'] + active,
        'made': count,
        'active': active
        & ~jnp.isin(chosen.tokens, jnp.array(self.ends))
        & (count < state['limit']),
      }
      return step + 1, cache, state, made

    shape = (_CHUNK, state['token'].shape[0])
    made = Chosen(
      jnp.full(shape, NOTHING, jnp.int32),
      no_alternatives(shape, self._alternatives),
    )
    carry = (jnp.int32(0), cache, state, made)
    _, cache, _, made = jax.lax.while_loop(unfinished, add, carry)
    return cache, made

  @property
  def _alternatives(self) -> int:
    return min(ALTERNATIVES, self._vocab_size)

  def _choose(self, logits_BxV, draws, places_B, asked_B):
    beyond_V = jnp.arange(logits_BxV.shape[1]) >= self._vocab_size
    allowed_BxV = jnp.where(beyond_V[None], -jnp.inf, logits_BxV)
    tokens_B = choose(draws, allowed_BxV, places_B)
    # A softmax over the vocabulary that nobody asked for would slow a step.
    predicted = jax.lax.cond(
      jnp.any(asked_B),
      lambda: alternatives(
        logits_BxV, tokens_B, self._alternatives, self._vocab_size
      ),
      lambda: no_alternatives(tokens_B.shape, self._alternatives),
    )
    return Chosen(tokens_B, predicted)
