"""Greedy generation: the most probable token, again and again.

Every step reads the whole sequence anew, which keeps it plain and exact: what
is generated is what the scorer would rank first, token by token, whatever the
batch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from flan_jax.evaluation.rank import row_length
from flan_jax.model import (
  DecoderConfig,
  for_mesh,
  hidden_states,
  target_logits,
)
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated


class Generator:
  """Continues prompts with one set of parameters on one mesh."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    end: int,
    tokens_per_batch: int = 8192,
  ):
    """Initializes the generator.

    Args:
      config: Shape of the decoder.
      mesh: Where it runs; rows lie over its data axes.
      end: The token that ends an answer.
      tokens_per_batch: Places of a batch over all devices.
    """
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    self._shards = batch_shards(mesh)
    self._tokens_per_batch = tokens_per_batch
    config = for_mesh(config, mesh)
    self._continue = jax.jit(
      lambda params, tokens, lengths, limits: _continue(
        config, params, tokens, lengths, limits, end
      ),
      # So that every process can read all of them.
      out_shardings=replicated(mesh),
    )
    self._end = end

  def generate(
    self,
    params: Any,
    prompts: Sequence[Sequence[int]],
    limits: Sequence[int],
    progress: Callable[[int], None] = lambda count: None,
  ) -> list[list[int]]:
    """Returns the tokens that follow each prompt, without the end token.

    Args:
      params: Parameters of the decoder.
      prompts: Token ids of each prompt, with what separates it from an answer.
      limits: Most tokens generated for each prompt, the end token included.
      progress: Called with the number of prompts done since last.
    """
    results: list[Any] = [None] * len(prompts)
    totals = [len(p) + n for p, n in zip(prompts, limits, strict=True)]
    widths = np.array([row_length(total) for total in totals])
    for width in sorted(set(widths.tolist())):
      members = np.flatnonzero(widths == width)
      # Prompts of like length end at about the same step.
      members = sorted(members.tolist(), key=lambda i: (limits[i], totals[i]))
      rows = max(1, self._tokens_per_batch // width // self._shards)
      rows *= self._shards
      for first in range(0, len(members), rows):
        chosen = members[first : first + rows]
        batch = self._batch(chosen, prompts, limits, rows, width)
        with jax.set_mesh(self._mesh):
          tokens = np.asarray(self._continue(params, *batch))
        for row, index in enumerate(chosen):
          start = len(prompts[index])
          new = tokens[row, start : start + limits[index]].tolist()
          end = new.index(self._end) if self._end in new else len(new)
          results[index] = new[:end]
        progress(len(chosen))
    return results

  def _batch(self, chosen, prompts, limits, rows, width):
    tokens = np.zeros((rows, width), np.int32)
    # Rows without a prompt read one token and may generate none.
    lengths, most = np.ones(rows, np.int32), np.zeros(rows, np.int32)
    for row, index in enumerate(chosen):
      lengths[row], most[row] = len(prompts[index]), limits[index]
      tokens[row, : lengths[row]] = prompts[index]
    return place((tokens, lengths, most), self._sharding)


def _continue(config, params, tokens_BxL, lengths_B, limits_B, end):
  """Appends to each row until its end token or its limit."""
  places_L = jnp.arange(tokens_BxL.shape[1])

  def unfinished(state):
    _, _, done_B = state
    return ~jnp.all(done_B)

  def step(state):
    tokens_BxL, at_B, done_B = state
    segments_BxL = places_L[None, :] < at_B[:, None]
    batch = {
      'tokens': tokens_BxL,
      'segments': segments_BxL.astype(jnp.int32),
      'positions': jnp.broadcast_to(places_L[None, :], tokens_BxL.shape),
    }
    hidden_BxLxD = hidden_states(config, params, batch)
    last_BxTxD = jnp.take_along_axis(
      hidden_BxLxD, (at_B - 1)[:, None, None], axis=1
    )
    logits_BxV = target_logits(config, params, last_BxTxD)[:, 0]
    token_B = jnp.argmax(logits_BxV, axis=-1).astype(tokens_BxL.dtype)
    here_BxL = (places_L[None, :] == at_B[:, None]) & ~done_B[:, None]
    tokens_BxL = jnp.where(here_BxL, token_B[:, None], tokens_BxL)
    at_B = jnp.where(done_B, at_B, at_B + 1)
    done_B |= (token_B == end) | (at_B - lengths_B >= limits_B)
    return tokens_BxL, at_B, done_B

  state = (tokens_BxL, lengths_B, limits_B <= 0)
  return jax.lax.while_loop(unfinished, step, state)[0]
