"""Rank classification: the log-likelihood of every option of a prompt.

A prompt and its options form one example whose options are branches, so that
the prompt is read once. So is what many prompts begin with, and what all
options of a prompt begin with. Examples of all tasks form one queue, are packed
into rows of few lengths and scored in float32. Scores do not depend on batching
or packing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
import dataclasses
import functools
from typing import Any

import jax
import numpy as np

from flan_jax.batches.packing import (
  Example,
)
from flan_jax.evaluation.scoring import rank_batches, trunks
from flan_jax.model import (
  DecoderConfig,
  computing_in,
  resolve_attention,
  target_log_probs,
)
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated


@dataclasses.dataclass(frozen=True)
class OptionScore:
  """The score of one option.

  Attributes:
    total: Summed log-likelihood of its `tokens`, end token included, in nats.
    without_end: The sum over `text_tokens`, those before the end token.
  """

  total: float
  without_end: float
  tokens: int
  text_tokens: int


class Scorer:
  """Scores examples on one mesh.

  Attributes:
    compute_dtype: Type of the computation.
  """

  def __init__(
    self,
    config: DecoderConfig,
    mesh: jax.sharding.Mesh,
    tokens_per_batch: int = 8192,
    predict: Callable[..., jax.Array] = target_log_probs,
    compute_dtype: str = 'float32',
  ):
    """Initializes the scorer of a decoder.

    Args:
      config: Shape of the decoder.
      mesh: Rows are sharded over its data axes.
      tokens_per_batch: Tokens of a batch, over all devices.
      predict: Returns what is wanted of each target, [B, T, ...]; takes the
        arguments of `target_log_probs`.
      compute_dtype: Type of the computation, in place of the decoder's.
    """
    self._mesh = mesh
    self._sharding = batch_sharding(mesh)
    self._shards = batch_shards(mesh)
    self._tokens_per_batch = tokens_per_batch
    config = computing_in(config, compute_dtype)
    self._config = resolve_attention(config, mesh)
    self.compute_dtype = compute_dtype
    # Every process reads all of them.
    self._predict = jax.jit(
      functools.partial(predict, self._config), out_shardings=replicated(mesh)
    )
    self._trunks = trunks.TrunkReader(self._config, mesh)

  def scored(
    self, params: Any, examples: Sequence[Example]
  ) -> Iterator[tuple[int, list[np.ndarray]]]:
    """Yields (index of the example, its log-likelihoods) as they are found.

    For every option, these are float32 [tokens of the option, ...].
    """
    found = [[None] * len(example.targets) for example in examples]
    for predicted, owners in self._computed(params, examples):
      values = np.asarray(predicted)
      for row, item, places in owners:
        options = found[item.index]
        count = len(item.example.targets)
        common = [values[row, where] for where in places[count:]]
        for option, where in enumerate(places[:count], start=item.first):
          options[option] = np.concatenate([*common, values[row, where]])
        # The options of an example may be in several rows.
        if all(option is not None for option in options):
          yield item.index, options

  def _computed(
    self, params: Any, examples: Sequence[Example]
  ) -> Iterator[tuple[jax.Array, list[rank_batches.Owner]]]:
    """Yields batches, each when the device already computes the next one."""
    longest = max(1, self._tokens_per_batch // self._shards)
    platform = self._mesh.devices.flat[0].platform
    groups = rank_batches.groups_of(examples, self._config, longest, platform)
    pending, read = None, ((), None)
    for batch, owners, trunk in rank_batches.batches(
      groups, self._tokens_per_batch, self._shards
    ):
      if trunk != read[0]:
        read = trunk, self._trunks.read(params, trunk)
      device_batch = place(batch, self._sharding)
      if trunk:
        device_batch['trunk'] = read[1]
      with jax.set_mesh(self._mesh):
        current = (self._predict(params, device_batch), owners)
      if pending is not None:
        yield pending
      pending = current
    if pending is not None:
      yield pending


def option_scores(
  example_log_probs: Sequence[np.ndarray], ended: Sequence[bool]
) -> list[OptionScore]:
  """Sums the log-likelihoods of one example's options, [tokens] each.

  `ended` tells which options have an end token (those that were not cut).
  """
  scores = []
  for values, has_end in zip(example_log_probs, ended, strict=True):
    values = values.astype(np.float64)
    text = values[:-1] if has_end else values
    sums = float(values.sum()), float(text.sum())
    scores.append(OptionScore(*sums, len(values), len(text)))
  return scores


# The rule by which evaluations choose.
REPORTED = 'acc_with_end'


def best(values: Sequence[float]) -> int:
  """Returns the option with the highest value; the first of equals."""
  return int(np.argmax(values))


def values_by_rule(
  scores: Sequence[OptionScore],
  texts: Sequence[str],
  unconditional: Sequence[OptionScore] | None = None,
) -> dict[str, list[float]]:
  """Returns the values that each rule ranks options by.

  Evaluations report `acc_with_end`. The other rules leave the end token out,
  as lm-evaluation-harness does, and have its names where they match it:

  - `acc_with_end`: log-likelihood of the option and the end token.
  - `acc`: log-likelihood of the option.
  - `acc_norm`: `acc` divided by the option's characters.
  - `acc_bytes`: `acc` divided by the option's UTF-8 bytes.
  - `acc_per_token`: `acc` divided by the option's tokens.
  - `acc_mutual_info`: `acc` less the log-likelihood of the option after an
    uninformative prompt. The harness leaves the prompt empty; ours is
    "Answer:" (GPT-3, section 2.4).

  `texts` are the options in words, `unconditional` their scores after the
  uninformative prompt, if known.
  """
  sums = [score.without_end for score in scores]

  def divided(lengths: Iterable[int]) -> list[float]:
    return [s / max(1, n) for s, n in zip(sums, lengths, strict=True)]

  rules = {
    'acc_with_end': [score.total for score in scores],
    'acc': sums,
    'acc_norm': divided(map(len, texts)),
    'acc_bytes': divided(len(text.encode()) for text in texts),
    'acc_per_token': divided(score.text_tokens for score in scores),
  }
  if unconditional is not None:
    rules['acc_mutual_info'] = [
      value - alone.without_end
      for value, alone in zip(sums, unconditional, strict=True)
    ]
  return rules
