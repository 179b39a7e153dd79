"""Floating-point operations that a model needs, by formula.

Operations are counted once, however the program computes them: a multiply-add
is 2 operations, logits exist at target positions only, attention covers visible
pairs of query and key only, nothing is recomputed, and the backward pass costs
twice the forward pass. Only matrix products count: look-ups, biases,
normalization, rotations and the softmax are below one percent of them at
relevant sizes.
"""

from collections.abc import Iterable
import dataclasses

from flan_jax.model.decoder_config import DecoderConfig


@dataclasses.dataclass(frozen=True)
class Work:
  """What a model reads and predicts, in a batch or in a whole run."""

  tokens: float  # Tokens read, without padding.
  targets: float  # Tokens predicted.
  pairs: float  # Visible pairs of query and key in one head of one layer.
  near_pairs: float = 0.0  # Those within the window of a model that has one.


@dataclasses.dataclass(frozen=True)
class Flops:
  """Floating-point operations by kind."""

  projections: float  # Of queries, keys, values and the output of attention.
  feed_forward: float  # Of the feed-forward layers.
  attention: float  # Of queries with keys, and of weights with values.
  logits: float  # Of the output layer.
  adapters: float = 0.0  # Of adapters beside projections, which are trained.

  @property
  def total(self) -> float:
    return sum(dataclasses.astuple(self))


def forward_flops(config: DecoderConfig, work: Work) -> Flops:
  """Returns the operations of a forward pass, as in evaluation."""
  heads = config.num_heads * config.head_dim
  kv_heads = config.num_kv_heads * config.head_dim
  projections = 2 * config.d_model * (heads + kv_heads)
  feed_forward = (3 if config.gated else 2) * config.d_model * config.d_ff
  layers, windowed = config.num_layers, config.windowed_layers
  pairs = (layers - windowed) * work.pairs + windowed * work.near_pairs
  return Flops(
    projections=2.0 * layers * projections * work.tokens,
    feed_forward=2.0 * layers * feed_forward * work.tokens,
    attention=2.0 * 2 * heads * pairs,
    logits=2.0 * config.d_model * config.vocab_size * work.targets,
    adapters=2.0 * config.lora_count() * work.tokens,
  )


def training_flops(config: DecoderConfig, work: Work) -> Flops:
  """Returns the operations of a forward and a backward pass."""
  # A product's backward pass is two products of its size. If only a soft prompt
  # or adapters are trained, one of them, the gradient of the weights, is not
  # needed for the others. That of attention has no weights: it needs both.
  forward = forward_flops(config, work)
  times = 2 if config.prompt_vectors or config.lora_rank else 3
  found = {name: times * kind for name, kind in vars(forward).items()}
  whole = {
    name: 3 * getattr(forward, name) for name in ('attention', 'adapters')
  }
  return Flops(**{**found, **whole})


def causal_rows(
  rows: float, length: int, targets: float, window: int | None = None
) -> Work:
  """Returns the work of full rows of one example each; targets are per row."""
  pairs = (rows * visible_pairs([length], w) for w in (None, window))
  return Work(rows * length, rows * targets, *pairs)


def visible_pairs(lengths: Iterable[int], window: int | None = None) -> int:
  """Returns the pairs of query and key in segments of these lengths.

  A token sees itself and the tokens before it in its own segment, of all of
  them no more than the window.

  >>> visible_pairs([4, 3]), visible_pairs([4, 3], window=2)
  (16, 12)
  """
  total = 0
  for length in lengths:
    far = 0 if window is None else max(length - window, 0)
    total += length * (length + 1) // 2 - far * (far + 1) // 2
  return total
