"""The device programs of generation: read prompts, insert them, add tokens."""

from collections.abc import Mapping, Sequence
import functools
from typing import Any, NamedTuple
import weakref

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.evaluation.generation.sampling import Draws, choose
from flan_jax.evaluation.scoring import trunks
from flan_jax.model import (
  DecoderConfig,
  decoding,
  resolve_attention,
  target_logits,
  transposed,
)
from flan_jax.model.alternatives import (
  Alternatives,
  alternatives,
  no_alternatives,
)
from flan_jax.model.attention import Trunk
from flan_jax.model.key_values import KeyValues
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated
from flan_jax.sharding.rules import tree_shardings, with_shardings

# Most tokens that each slot generates before the host looks at them.
CHUNK = 8
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


class Firsts(NamedTuple):
  """Prompts [P] whose first tokens are chosen when they have been read."""

  last: np.ndarray  # Index of each prompt's last token in its row.
  row: np.ndarray  # The row of each prompt.
  draws: Draws  # How the tokens are drawn.
  asked: np.ndarray  # Whether alternatives to them are asked for.


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
    self._apart = transposed.is_faster(mesh)
    self._laid_out: dict[tuple[int, ...], Any] = {}
    empty = functools.partial(decoding.empty, config, apart=self._apart)
    self._lay_out = jax.jit(functools.partial(transposed.lay_out, config))
    self._empty = jax.jit(empty, static_argnums=(0, 1))
    self._grow = jax.jit(decoding.grow, static_argnums=1)
    self._trunks = trunks.TrunkReader(self._config, mesh)
    self._prefill = jax.jit(
      self._read_prompts, static_argnums=1, out_shardings=(whole, None)
    )
    self._insert = jax.jit(decoding.insert, donate_argnums=0)
    self._advance = jax.jit(
      self._add_tokens,
      static_argnums=1,
      out_shardings=(None, whole),
      donate_argnums=2,
    )

  def lay_out(self, params: Any) -> Any:
    """Returns parameters as the programs are fastest with them.

    They are kept as long as `params` are.
    """
    if not self._apart:
      return params
    key = tuple(map(id, jax.tree.leaves(params)))
    if key not in self._laid_out:
      self._laid_out[key] = self._lay_out(params)
      # Both share what is no matrix of a layer.
      matrix = params['layers']['output']
      weakref.finalize(matrix, self._laid_out.pop, key, None)
    return self._laid_out[key]

  def empty(self, slots: int, length: int) -> KeyValues:
    """Returns keys and values with room for `length` tokens in each slot."""
    with jax.set_mesh(self._mesh):
      return self._empty(slots, length + CHUNK)

  def grow(self, cache: KeyValues, slots: int) -> KeyValues:
    """Returns a cache of more slots, those of `cache` first."""
    with jax.set_mesh(self._mesh):
      return self._grow(cache, slots)

  def read_trunk(self, params: Any, tokens: Sequence[int]) -> Trunk | None:
    """Reads what precedes prompts; None if it has no tokens."""
    return self._trunks.read(params, tokens)

  def prefill(
    self,
    params: Any,
    width: int,
    batch: Mapping[str, np.ndarray],
    firsts: Firsts,
    trunk: Trunk | None = None,
  ) -> tuple[Chosen, KeyValues]:
    """Reads packed prompts.

    Args:
      params: From `lay_out`.
      width: Tokens of the slots that the prompts go to.
      batch: Rows of prompts, as for `hidden_states`.
      firsts: The prompts in these rows.
      trunk: What precedes all of them, or None.

    Returns:
      The first token of each answer [P]; keys and values for `insert`.
    """
    fields = ('tokens', 'segments', 'positions')
    placed = place({name: batch[name] for name in fields}, self._sharding)
    with jax.set_mesh(self._mesh):
      return self._prefill(params, width, placed, firsts, trunk)

  def insert(
    self,
    cache: KeyValues,
    read: KeyValues,
    trunk: Trunk | None,
    places: Sequence[np.ndarray],
  ) -> KeyValues:
    """Copies prompts to slots; `cache`, which holds the slots, is donated.

    `read` and `trunk` are those of `prefill`; see `decoding.insert` for
    `places`: the slots, rows and starts of the prompts [P].
    """
    with jax.set_mesh(self._mesh):
      return self._insert(cache, read, trunk, *places)

  def advance(
    self,
    params: Any,
    length: int,
    cache: KeyValues,
    state: Mapping[str, Any],
    wake: int,
  ) -> tuple[KeyValues, Chosen]:
    """Adds up to `CHUNK` tokens to every active slot; `cache` is donated.

    The state holds for each slot, int32 unless noted: `token`, the last one of
    its answer; `position` of that token; `made`, tokens of the answer so far;
    `limit`, the most of them; `draws`, a `Draws`; `active` and `asked`, bool.

    Args:
      params: From `lay_out`.
      length: No position of an active slot exceeds it. Each compiles a program.
      cache: Keys and values of the slots.
      state: See above.
      wake: Adds no more tokens after so many answers have ended.

    Returns:
      The cache, and what was chosen [C, B]: `NOTHING` for a slot that ended
      before a step.
    """
    placed = place(dict(state), self._sharding)
    with jax.set_mesh(self._mesh):
      return self._advance(params, length, cache, placed, np.int32(wake))

  def lower_prefill(
    self, params: Any, rows: int, width: int, slots: int
  ) -> jax.stages.Lowered:
    """Lowers `prefill` for as many rows as wide as slots, from shapes alone.

    Parameters are as the model has them, without `lay_out`.
    """
    tokens = jax.ShapeDtypeStruct((rows, width), np.int32)
    batch = dict.fromkeys(('tokens', 'segments', 'positions'), tokens)
    places = jax.ShapeDtypeStruct((slots,), np.int32)
    firsts = Firsts(places, places, *_abstract_settings(slots))
    with jax.set_mesh(self._mesh):
      return self._prefill.lower(
        params, width, self._abstract(batch), firsts, None
      )

  def lower_advance(
    self, params: Any, width: int, slots: int
  ) -> jax.stages.Lowered:
    """Lowers `advance` for full slots, like `lower_prefill`."""
    names = ('token', 'position', 'made', 'limit')
    state = dict.fromkeys(names, jax.ShapeDtypeStruct((slots,), np.int32))
    draws, asked = _abstract_settings(slots)
    state |= {'draws': draws, 'asked': asked, 'active': asked}
    state, cache = self._abstract(state), self.abstract_cache(slots, width)
    with jax.set_mesh(self._mesh):
      return self._advance.lower(params, width, cache, state, np.int32(slots))

  def abstract_cache(self, rows: int, width: int) -> KeyValues:
    """Returns the shapes and shardings of what `empty` and `prefill` return."""
    empty = functools.partial(decoding.empty, self._config, rows, width + CHUNK)
    with jax.set_mesh(self._mesh):
      shapes = jax.eval_shape(empty)
    axes = KeyValues(decoding.AXES, decoding.AXES)
    return with_shardings(shapes, tree_shardings(self._mesh, axes, shapes))

  def _abstract(self, arrays):
    """Returns arrays of a batch, as shapes, with their sharding."""
    return with_shardings(
      arrays, jax.tree.map(lambda _: self._sharding, arrays)
    )

  def _read_prompts(self, params, width, batch, firsts, trunk):
    batch = {**batch, 'trunk': trunk}
    hidden, read = decoding.prefill(self._config, params, batch)
    hidden_Px1xD = hidden[firsts.row, firsts.last][:, None]
    logits = target_logits(self._config, params, hidden_Px1xD)[:, 0]
    places_P = jnp.zeros_like(firsts.draws.prompt)
    chosen = self._choose(logits, firsts.draws, places_P, firsts.asked)
    return chosen, decoding.padded_for(read, width + CHUNK, trunk)

  def _add_tokens(self, params, length, cache, state, wake):
    known = decoding.first_tokens(cache, length)
    starts_B = state['position']

    def unfinished(carry):
      step, _, active, _ = carry
      ended = jnp.sum(state['active']) - jnp.sum(active['active'])
      return (step < CHUNK) & jnp.any(active['active']) & (ended < wake)

    def add(carry):
      step, recent, now, made = carry
      logits, recent = decoding.decode_step(
        self._config, params, known, recent, now['token'], starts_B, step
      )
      chosen = self._choose(
        logits, state['draws'], state['made'] + step, state['asked']
      )
      active = now['active']
      kept = chosen._replace(tokens=jnp.where(active, chosen.tokens, NOTHING))
      made = jax.tree.map(lambda all_, new: all_.at[step].set(new), made, kept)
      ended = jnp.isin(chosen.tokens, jnp.array(self.ends))
      ended |= state['made'] + step + 1 >= state['limit']
      return (
        step + 1,
        recent,
        {'token': chosen.tokens, 'active': active & ~ended},
        made,
      )

    slots = state['token'].shape[0]
    made = Chosen(
      jnp.full((CHUNK, slots), NOTHING, jnp.int32),
      no_alternatives((CHUNK, slots), self._alternatives),
    )
    apart = isinstance(params['layers'], tuple)
    recent = decoding.empty(self._config, slots, CHUNK, apart)
    now = {name: state[name] for name in ('token', 'active')}
    _, recent, _, made = jax.lax.while_loop(
      unfinished, add, (jnp.int32(0), recent, now, made)
    )
    # An idle slot writes where its next prompt overwrites it.
    return decoding.append(cache, recent, starts_B), made

  @property
  def _alternatives(self) -> int:
    return min(ALTERNATIVES, self._vocab_size)

  def _choose(self, logits_BxV, draws, places_B, asked_B):
    allowed_BxV = logits_BxV
    if self._vocab_size < logits_BxV.shape[1]:
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


def _abstract_settings(slots):
  """Returns the shapes of `Draws` and of what asks for alternatives."""
  draws = Draws.of([None] * slots, [0] * slots)
  shape = functools.partial(jax.ShapeDtypeStruct, (slots,))
  return jax.tree.map(lambda x: shape(x.dtype), draws), shape(bool)
