"""Generation: many prompts at once, each token read once.

Prompts are read packed, several a row; keys and values of their tokens are
then kept in the slots of a batch, where they are continued together. A slot
whose answer is finished is given to the next prompt.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.batches.packing import (
  Capacity,
  Example,
  empty_batch,
  fill_row,
  pack,
)
from flan_jax.evaluation.generation.sampling import Sampling, choose
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import (
  DecoderConfig,
  decoding,
  resolve_attention,
  target_logits,
)
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

# Tokens that each slot generates before the host looks at them.
_CHUNK = 8
# Prompts are read when this share of the slots is free, or nothing else is to
# be done: rows of prompts should be full.
_FREE_SHARE = 0.25
_MAX_SEGMENTS = 64

_NOTHING = -1


class Generator:
  """Continues prompts with one set of parameters on one mesh."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    end: int,
    tokens_per_batch: int = 8192,
    sampling: Sampling | None = None,
    vocab_size: int | None = None,
  ):
    """Initializes the generator.

    Args:
      config: Shape of the decoder.
      mesh: Where it runs; slots lie over its data axes.
      end: The token that ends an answer.
      tokens_per_batch: Places of all slots, over all devices.
      sampling: How tokens are drawn; None takes the most probable.
      vocab_size: Tokens that may come; the embedding may have rows beyond.
    """
    self._mesh = mesh
    self._shards = batch_shards(mesh)
    self._tokens_per_batch = tokens_per_batch
    self._end = end
    programs = _Programs(
      resolve_attention(config, mesh),
      sampling or Sampling(),
      end,
      vocab_size or config.vocab_size,
    )
    self._slots_sharding = batch_sharding(mesh)
    whole = replicated(mesh)
    self._empty = jax.jit(
      lambda rows, length: decoding.empty(config, rows, length),
      static_argnums=(0, 1),
    )
    self._prefill = jax.jit(programs.prefill, out_shardings=(whole, None))
    self._insert = jax.jit(decoding.insert, donate_argnums=0)
    self._advance = jax.jit(
      programs.advance,
      out_shardings=(None, whole),
      donate_argnums=1,
    )

  def generate(
    self,
    params: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    progress: Callable[[int], None] = lambda count: None,
    stop: Callable[[list[int]], int | None] = lambda tokens: None,
  ) -> list[list[int]]:
    """Returns the tokens that follow each prompt, without the end token.

    Args:
      params: Parameters of the decoder.
      prompts: Token ids of each prompt, with what separates it from an answer.
      limits: Most tokens generated for each prompt, the end token included.
      progress: Called with the number of prompts done since last.
      stop: Says of what was generated so far how many tokens of it are the
        whole answer, or None if it may go on; see `stop_at`.
    """
    results: list[list[int]] = [[] for _ in prompts]
    for index, tokens in self.answers(params, prompts, limits, stop):
      results[index] = tokens
      progress(1)
    return results

  def answers(
    self,
    params: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    stop: Callable[[list[int]], int | None] = lambda tokens: None,
  ) -> Iterator[tuple[int, list[int]]]:
    """Yields (index of the prompt, its answer) as `generate` finds them."""
    totals = [len(p) + n for p, n in zip(prompts, limits, strict=True)]
    widths = np.array([row_length(total) for total in totals])
    wanted = np.array(limits) > 0
    for index in np.flatnonzero(~wanted).tolist():
      yield index, []
    for width in sorted(set(widths[wanted].tolist())):
      members = np.flatnonzero((widths == width) & wanted).tolist()
      # Long answers first: what is left at the end is short.
      members.sort(key=lambda i: (-limits[i], totals[i]))
      slots = max(1, self._tokens_per_batch // width // self._shards)
      slots = min(slots, -(-len(members) // self._shards)) * self._shards
      run = _Run(self, params, prompts, limits, width, slots, stop)
      yield from run.answers(members)


class _Programs:
  """What runs on the devices."""

  def __init__(self, config, sampling, end, vocab_size):
    self._config = config
    self._sampling = sampling
    self._end = end
    self._vocab_size = vocab_size

  def prefill(self, params, batch, last_P, row_P, prompts_P):
    """Reads rows of prompts, and chooses the first token of each answer."""
    hidden, read = decoding.prefill(self._config, params, batch)
    hidden_Px1xD = hidden[row_P, last_P][:, None]
    logits = target_logits(self._config, params, hidden_Px1xD)[:, 0]
    return self._choose(logits, prompts_P, jnp.zeros_like(prompts_P)), read

  def advance(self, params, cache, state):
    """Adds up to `_CHUNK` tokens to the answer in each slot."""

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
        'active': active & (token != self._end) & (made < state['limit']),
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


@dataclasses.dataclass
class _Slot:
  """A prompt that is being answered.

  Attributes:
    index: Of the prompt.
    length: Its tokens.
    limit: Most tokens of the answer.
    answer: Tokens so far, an end token included.
  """

  index: int
  length: int
  limit: int
  answer: list[int]


class _Run:
  """Answers the prompts of one width."""

  def __init__(self, generator, params, prompts, limits, width, slots, stop):
    self._generator = generator
    self._params = params
    self._prompts, self._limits = prompts, limits
    self._width = width
    self._slots: list[_Slot | None] = [None] * slots
    self._stop = stop
    # Rows of prompts that are read at a time: a fraction of the slots, as
    # several prompts share a row.
    shards = generator._shards
    self._rows = -(-max(1, int(slots * _FREE_SHARE)) // shards) * shards
    with jax.set_mesh(generator._mesh):
      self._cache = generator._empty(slots, width)

  def answers(self, members):
    """Yields (prompt, tokens of its answer) as answers are finished."""
    waiting = list(members)
    while waiting or any(self._slots):
      free = self._slots.count(None)
      few = free < max(1, int(len(self._slots) * _FREE_SHARE))
      if waiting and free and not (few and any(self._slots)):
        waiting = self._fill(waiting)
      else:
        self._extend()
      yield from self._finished()

  def _fill(self, waiting):
    """Reads the next prompts into free slots; returns those still waiting."""
    free = [n for n, slot in enumerate(self._slots) if slot is None]
    chosen = waiting[: len(free)]
    lengths = np.array([len(self._prompts[i]) for i in chosen])
    capacity = Capacity(self._width, 1, _MAX_SEGMENTS)
    rows = pack(lengths, np.zeros(len(chosen), int), capacity)[: self._rows]
    batch = empty_batch(self._rows, capacity)
    read = []  # (prompt, row, index of its first token)
    for row, items in enumerate(rows):
      indices = [chosen[item] for item in items]
      fill_row(batch, row, [Example(self._prompts[i], ()) for i in indices])
      start = 0
      for index in indices:
        read.append((index, row, start))
        start += len(self._prompts[index])
    self._read(batch, read, free)
    done = {index for index, *_ in read}
    return [index for index in waiting if index not in done]

  def _read(self, batch, read, free):
    generator = self._generator
    fields = ('tokens', 'segments', 'positions')
    batch = place(
      {name: batch[name] for name in fields}, generator._slots_sharding
    )
    # As many as could be read, so that shapes do not change.
    last, row, prompt = np.zeros((3, len(self._slots)), np.int32)
    for n, (index, in_row, start) in enumerate(read):
      last[n] = start + len(self._prompts[index]) - 1
      row[n], prompt[n] = in_row, index
    with jax.set_mesh(generator._mesh):
      first, kept = generator._prefill(self._params, batch, last, row, prompt)
      for slot, (_, in_row, start) in zip(free, read, strict=False):
        self._cache = generator._insert(self._cache, kept, slot, in_row, start)
    for slot, (index, *_), token in zip(
      free, read, np.asarray(first).tolist(), strict=False
    ):
      self._slots[slot] = _Slot(
        index, len(self._prompts[index]), self._limits[index], [token]
      )

  def _extend(self):
    """Has every slot add tokens to its answer."""
    generator, slots = self._generator, self._slots
    state = {
      name: np.zeros(len(slots), np.int32)
      for name in ('token', 'position', 'made', 'limit', 'prompt')
    }
    state['active'] = np.array([slot is not None for slot in slots])
    for n, slot in enumerate(slots):
      if slot is None:
        continue
      state['token'][n] = slot.answer[-1]
      state['position'][n] = slot.length + len(slot.answer) - 1
      state['made'][n] = len(slot.answer)
      state['limit'][n], state['prompt'][n] = slot.limit, slot.index
    state = place(state, generator._slots_sharding)
    with jax.set_mesh(generator._mesh):
      self._cache, made = generator._advance(self._params, self._cache, state)
    for slot, tokens in zip(slots, np.asarray(made).T.tolist(), strict=True):
      if slot is not None:
        slot.answer += [token for token in tokens if token != _NOTHING]

  def _finished(self):
    """Empties the slots whose answer is finished, and yields the answers."""
    for n, slot in enumerate(self._slots):
      if slot is None:
        continue
      tokens, ended = slot.answer, False
      if self._generator._end in tokens:
        tokens = tokens[: tokens.index(self._generator._end)]
        ended = True
      whole = self._stop(tokens)
      if whole is not None:
        tokens = tokens[:whole]
      if ended or whole is not None or len(slot.answer) >= slot.limit:
        self._slots[n] = None
        yield slot.index, tokens


def stop_at(
  decode: Callable[[list[int]], str], texts: Sequence[str]
) -> Callable[[list[int]], int | None]:
  """Ends an answer with the token that completes one of some texts.

  >>> words = {1: 'yes', 2: '\\n', 3: 'no'}
  >>> stop = stop_at(lambda ids: ''.join(words[i] for i in ids), ['\\n'])
  >>> stop([1]), stop([1, 2, 3])
  (None, 2)

  Args:
    decode: Text of tokens.
    texts: Where an answer stops. A token may hold more than part of one: what
      belongs to the answer is told by its text, see `text_before`.

  Returns:
    For `Generator.generate`.
  """

  def has_text(tokens):
    text = decode(tokens)
    return any(wanted in text for wanted in texts)

  def stop(tokens):
    if not has_text(tokens):
      return None
    return next(n for n in range(len(tokens) + 1) if has_text(tokens[:n]))

  return stop


def text_before(text: str, stops: Sequence[str]) -> str:
  r"""Returns what comes before the first of some texts.

  >>> text_before('yes, it is.\nQ: And', ['Q:', '\n'])
  'yes, it is.'
  """
  return text[: min((text.find(s) for s in stops if s in text), default=None)]
