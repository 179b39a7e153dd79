"""Packs a queue of prompts with options into batches of few shapes."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools
from typing import NamedTuple

import numpy as np

from flan_jax.batches import packing
from flan_jax.evaluation.scoring import trunks
from flan_jax.model import DecoderConfig

# Examples are grouped by the row that they need: 256 tokens, or that doubled
# any number of times. Attention over short rows is cheap.
_SHORTEST_ROW = 256
# How much longer the rows of a group may be; longer rows fill better.
_STRETCHES = (1, 1.125, 1.25, 1.375, 1.5, 1.75, 2, 2.5, 3, 4)
# Target capacities to try, relative to the mean share of predicted tokens.
_TARGET_SLACKS = (1.03, 1.1, 1.25, 1.5, 2.5)
# The target capacity of a row is a multiple of this.
_TARGET_ROUND = 16
_MAX_SEGMENTS = 64
# Examples on which capacities are compared.
_SAMPLE = 2048
# Cost of one more shape, in tokens: it has to be compiled. On an accelerator,
# that is assumed to take a minute, in which it scores a million tokens.
_SHAPE_COSTS = {'cpu': 2**12}
_SHAPE_COST = 2**20
# Cost of an operation of attention, relative to one of a large matrix product.
# Measured on CPUs, where the weights of pairs are small matrices.
_ATTENTION = 1.5
# Cost of one more batch, in tokens: the weights are read once more.
_BATCH_COST = 128


@dataclasses.dataclass(frozen=True)
class Item:
  """A prompt with some of its options.

  Attributes:
    index: Index of the whole example in the queue.
    first: Index of the first of these options.
    example: The prompt, without what precedes it as a trunk, and these options.
    trunk: Number of the trunk.
  """

  index: int
  first: int
  example: packing.Example
  trunk: int = 0


@dataclasses.dataclass(frozen=True)
class Group:
  """Items that are packed into rows of one shape, after the same trunk."""

  items: tuple[Item, ...]
  capacity: packing.Capacity
  trunk: tuple[int, ...] = ()

  @functools.cached_property
  def rows(self) -> list[list[int]]:
    """The items of each row."""
    return packing.pack(*_sizes(self.items), self.capacity)


# Row of the batch, item, and where its options, and then what they have in
# common, are in the row.
Owner = tuple[int, Item, list[slice]]


class Batch(NamedTuple):
  """Rows, who owns them, and the tokens that precede all examples."""

  arrays: dict[str, np.ndarray]
  owners: list[Owner]
  trunk: tuple[int, ...]


def batches(
  groups: Sequence[Group], tokens_per_batch: int, shards: int
) -> Iterator[Batch]:
  """Yields the batches of groups, those after one trunk together.

  All batches of a shape have as many rows. They are spread evenly to save
  padding.

  Args:
    groups: From `groups_of`.
    tokens_per_batch: Most tokens of a batch, unless a row for each shard has
      more.
    shards: The number of rows of a batch is a multiple of this.
  """
  by_shape: dict[tuple[packing.Capacity, int], list[int]] = {}
  for group in groups:
    by_shape.setdefault(_shape(group), []).append(len(group.rows))
  for group in groups:
    most = max(1, tokens_per_batch // group.capacity.tokens // shards) * shards
    count = _row_count(by_shape[_shape(group)], group.capacity, most, shards)
    for first in range(0, len(group.rows), count):
      batch, owners = packing.empty_batch(count, group.capacity), []
      for row, chosen in enumerate(group.rows[first : first + count]):
        items = [group.items[i] for i in chosen]
        examples = [item.example for item in items]
        places = packing.fill_row(batch, row, examples, len(group.trunk))
        owners += [(row, i, p) for i, p in zip(items, places, strict=True)]
      yield Batch(batch, owners, group.trunk)


def _shape(group: Group) -> tuple[packing.Capacity, int]:
  return group.capacity, trunks.padded_length(len(group.trunk))


def _row_count(
  numbers: Sequence[int], capacity: packing.Capacity, most: int, shards: int
) -> int:
  """Returns the rows of a batch that suit groups of these numbers of rows."""

  def cost(count: int) -> int:
    batches = sum(-(-number // count) for number in numbers)
    return batches * (count * capacity.tokens + _BATCH_COST)

  return min(range(shards, most + 1, shards), key=cost)


def groups_of(
  examples: Sequence[packing.Example],
  config: DecoderConfig,
  longest: int,
  platform: str = 'cpu',
) -> list[Group]:
  """Groups examples so that scoring them takes the fewest operations.

  What many prompts begin with is a trunk, which is read once.

  Args:
    examples: Prompts with their options.
    config: Determines the cost of a token, a predicted token and attention.
    longest: Tokens of the longest row. The options of an example that does not
      fit are divided among several rows, each with the prompt. A prompt that
      does not fit with one option gets a longer row.
    platform: Where they are scored. Accelerators compile longer for each shape
      than a CPU, and score faster.
  """
  shape_cost = _SHAPE_COSTS.get(platform, _SHAPE_COST)
  tokens, by_padding = [], {}
  found = trunks.shared([example.prompt for example in examples])
  for number, one in enumerate(found):
    tokens.append(tuple(examples[one.members[0]].prompt[: one.length]))
    items = by_padding.setdefault(trunks.padded_length(one.length), [])
    for index in one.members:
      example = examples[index]
      rest = packing.Example(example.prompt[one.length :], example.targets)
      for item in _split(index, rest.joined(), longest):
        items.append(dataclasses.replace(item, trunk=number))
  groups = []
  for before, items in by_padding.items():
    for group in _of_one_padding(items, config, before, longest, shape_cost):
      by_trunk: dict[int, list[Item]] = {}
      for item in group.items:
        by_trunk.setdefault(item.trunk, []).append(item)
      for number, own in by_trunk.items():
        groups.append(Group(tuple(own), group.capacity, tokens[number]))
  # A trunk is read when its first group comes, and forgotten after its last.
  return sorted(groups, key=lambda group: group.items[0].trunk)


def _of_one_padding(
  items: Sequence[Item],
  config: DecoderConfig,
  before: int,
  longest: int,
  shape_cost: int,
) -> list[Group]:
  """Groups items by length, after trunks of `before` tokens with padding."""
  by_length: dict[int, list[Item]] = {}
  for item in items:
    by_length.setdefault(row_length(item.example.length), []).append(item)
  groups: list[Group] = []
  for _, alike in sorted(by_length.items(), reverse=True):
    group = _cheapest(alike, config, before, longest)
    if groups:
      both = [*groups[-1].items, *alike]
      both = _cheapest(both, config, before, longest)
      apart = _cost(groups[-1], config, before) + _cost(group, config, before)
      if _cost(both, config, before) < apart + shape_cost:
        groups[-1] = both
        continue
    groups.append(group)
  return groups


def row_length(length: int) -> int:
  """Returns the shortest row that holds an example.

  >>> row_length(20), row_length(129), row_length(700)
  (256, 256, 1024)
  """
  tokens = _SHORTEST_ROW
  while tokens < length:
    tokens *= 2
  return tokens


def _split(
  index: int, example: packing.Example, longest: int
) -> Iterator[Item]:
  """Divides options so that each part, with the prompt, fits `longest`."""
  prompt, targets, common = example.prompt, example.targets, example.common
  first, length = 0, len(prompt)
  for number, target in enumerate(targets):
    if number > first and length + len(target) - 1 > longest:
      some = packing.Example(prompt, targets[first:number], common)
      yield Item(index, first, some)
      first, length = number, len(prompt)
    length += len(target) - 1
  yield Item(index, first, packing.Example(prompt, targets[first:], common))


def _sizes(items: Sequence[Item]) -> tuple[np.ndarray, np.ndarray]:
  lengths = np.array([item.example.length for item in items])
  return lengths, np.array([item.example.predicted for item in items])


def _rounded(targets: int) -> int:
  return -(-targets // _TARGET_ROUND) * _TARGET_ROUND


def _cheapest(
  items: Sequence[Item], config: DecoderConfig, before: int, longest: int
) -> Group:
  """Packs items into the rows that cost least on a sample of them."""
  length = row_length(max(item.example.length for item in items))
  step = -(-len(items) // _SAMPLE)
  sample = items[::step]
  lengths, predicted = _sizes(sample)
  share = predicted.sum() / lengths.sum()
  most = max(item.example.predicted for item in items)
  tried = {
    packing.Capacity(tokens, _rounded(max(most, budget)), _MAX_SEGMENTS)
    for tokens in (int(length * stretch) for stretch in _STRETCHES)
    if tokens <= max(length, longest)
    for budget in (int(tokens * share * slack) for slack in _TARGET_SLACKS)
  }
  best = min(
    sorted(tried, key=dataclasses.astuple),
    key=lambda capacity: _cost(Group(tuple(sample), capacity), config, before),
  )
  return Group(tuple(items), best)


def _cost(group: Group, config: DecoderConfig, before: int) -> float:
  """Returns the operations of a group's rows, in tokens of the layers."""
  tables = 1 if config.tie_embeddings else 2
  table = config.vocab_size * config.d_model
  layers = config.param_count() - tables * table
  attention = config.num_layers * config.num_heads * config.head_dim
  attention *= _ATTENTION
  length, targets = group.capacity.tokens, group.capacity.targets
  row = length * (layers + attention * (length + before)) + targets * table
  return len(group.rows) * row / layers
