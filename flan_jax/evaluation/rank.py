"""Rank classification: the log-likelihood of every option of a prompt.

A prompt and its options form one example whose options are branches, so that
a prompt is read once. Examples of all tasks form one queue, are packed into
rows of few lengths, and scored in float32; scores depend on neither batch nor
packing.
"""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
from typing import Any

import jax
import numpy as np

from flan_jax.data.packing import (
  Capacity,
  Example,
  empty_batch,
  fill_row,
  pack,
)
from flan_jax.model import DecoderConfig, for_mesh, target_log_probs
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

# Rows of 256 tokens and its doublings: few shapes to compile, and attention
# over short rows stays cheap.
_SHORTEST_ROW = 256
_MAX_SEGMENTS = 64


@dataclasses.dataclass(frozen=True)
class OptionScore:
  """The score of one option.

  Attributes:
    total: Summed log-likelihood of its tokens and the end token.
    without_end: The sum without the end token (equal where there is none).
    tokens: Tokens summed in `total`.
  """

  total: float
  without_end: float
  tokens: int


class Scorer:
  """Scores examples with one set of parameters on one mesh."""

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    tokens_per_batch: int = 8192,
  ):
    """Initializes the scorer.

    Args:
      config: Shape of the decoder.
      mesh: Where it runs; rows lie over its data axes.
      tokens_per_batch: Places of a batch over all devices.
    """
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    self._shards = batch_shards(mesh)
    self._tokens_per_batch = tokens_per_batch
    config = for_mesh(config, mesh)
    self._log_probs = jax.jit(
      lambda params, batch: target_log_probs(config, params, batch),
      # So that every process can read all of them.
      out_shardings=replicated(mesh),
    )

  def score(
    self,
    params: Any,
    examples: Sequence[Example],
    progress: Callable[[int], None] = lambda count: None,
  ) -> list[list[np.ndarray]]:
    """Returns the log-likelihood of every predicted token.

    Args:
      params: Parameters of the decoder.
      examples: Prompts with their options.
      progress: Called with the number of examples scored since last.

    Returns:
      For every example and option, float32 [tokens of the option].
    """
    results: list[Any] = [None] * len(examples)
    pending = None
    for batch, owners in self._batches(examples):
      device_batch = place(batch, self._sharding)
      with jax.set_mesh(self._mesh):
        current = (self._log_probs(params, device_batch), owners)
      # The device works on this batch while the last one is read.
      if pending is not None:
        progress(_collect(*pending, results))
      pending = current
    if pending is not None:
      progress(_collect(*pending, results))
    return results

  def _batches(self, examples) -> Iterator[tuple[dict, list]]:
    """Yields batches, and (row, example, places of its options) for each."""
    lengths = np.array([example.length for example in examples])
    predicted = np.array([example.predicted for example in examples])
    shapes = np.array([row_length(int(length)) for length in lengths])
    for tokens in sorted(set(shapes.tolist()), reverse=True):
      members = np.flatnonzero(shapes == tokens)
      budget = max(tokens // 4, int(predicted[members].max()))
      capacity = Capacity(tokens, -(-budget // 64) * 64, _MAX_SEGMENTS)
      packed = pack(lengths[members], predicted[members], capacity)
      rows = max(1, self._tokens_per_batch // tokens // self._shards)
      rows *= self._shards
      for first in range(0, len(packed), rows):
        batch, owners = empty_batch(rows, capacity), []
        for row, items in enumerate(packed[first : first + rows]):
          chosen = [int(members[item]) for item in items]
          places = fill_row(batch, row, [examples[i] for i in chosen])
          owners += [(row, i, p) for i, p in zip(chosen, places, strict=True)]
        yield batch, owners


def row_length(length: int) -> int:
  """Returns the length of the rows that an example is packed into.

  >>> row_length(20), row_length(129), row_length(700)
  (256, 256, 1024)
  """
  tokens = _SHORTEST_ROW
  while tokens < length:
    tokens *= 2
  return tokens


def _collect(log_probs, owners, results) -> int:
  values = np.asarray(log_probs)
  for row, index, places in owners:
    results[index] = [values[row, place] for place in places]
  return len(owners)


def option_scores(
  example_log_probs: Sequence[np.ndarray], ended: Sequence[bool]
) -> list[OptionScore]:
  """Sums token log-likelihoods to the scores of one example's options.

  Args:
    example_log_probs: For every option, [tokens].
    ended: Which options carry an end token (those that were not cut).
  """
  scores = []
  for values, has_end in zip(example_log_probs, ended, strict=True):
    values = values.astype(np.float64)
    text = values[:-1] if has_end else values
    scores.append(
      OptionScore(float(values.sum()), float(text.sum()), len(values))
    )
  return scores


def best(scores: Sequence[OptionScore]) -> int:
  """Returns the option with the highest total; the first of equals."""
  return int(np.argmax([score.total for score in scores]))
