"""Finds what many prompts begin with: instructions, or the same exemplars.

It is read once, and the prompts continue it. One trunk precedes all examples of
a batch.
"""

from collections.abc import Sequence
import dataclasses
import functools
import itertools
from typing import Any

import jax
import numpy as np

from flan_jax.batches import packing
from flan_jax.model import DecoderConfig, read_trunk
from flan_jax.model.attention import Trunk
from flan_jax.sharding import batch_sharding, batch_shards, place, replicated

# Tokens that a trunk must save: its examples are packed apart from the others,
# which leaves rows and batches that are not full.
_COST = 1024
# Attention to a trunk costs more than a shorter one saves.
_LEAST_TOKENS = 16
# Trunks, and slots of a generator, are padded to 64 tokens or half as many
# more, or these doubled any number of times, so that few programs are compiled.
_LEAST_LENGTH = 64


@dataclasses.dataclass(frozen=True)
class Shared:
  """Prompts that begin with the same tokens.

  Attributes:
    length: Number of these tokens, less than those of any of the prompts; 0 if
      there are none.
    members: Indices of the prompts.
  """

  length: int
  members: tuple[int, ...]


def shared(
  prompts: Sequence[Sequence[int]],
  cost: int = _COST,
  least: int = _LEAST_TOKENS,
) -> list[Shared]:
  """Divides prompts so that sharing their beginnings saves the most tokens.

  >>> prompts = [[7, 7, 7, 1], [5, 3], [7, 7, 7, 2, 2], [7, 7, 7, 1, 3]]
  >>> shared(prompts, cost=4, least=2)
  [Shared(length=3, members=(0, 2, 3)), Shared(length=0, members=(1,))]

  Args:
    prompts: Their tokens.
    cost: Tokens that each beginning must save to be shared.
    least: Tokens that it must have.
  """
  order, common = _sorted(prompts)
  common = [n if n >= least else 0 for n in common]
  found = [
    Shared(length, tuple(sorted(order[place] for place in places)))
    for length, places in _best(common, cost)
  ]
  inside = {member for one in found for member in one.members}
  alone = tuple(n for n in range(len(prompts)) if n not in inside)
  found.sort(key=lambda one: one.members)
  return [*found, *([Shared(0, alone)] if alone else [])]


def padded_length(length: int) -> int:
  """Returns the length to which a trunk, or a slot, is padded.

  >>> [padded_length(n) for n in (0, 20, 65, 100, 700)]
  [0, 64, 96, 128, 768]
  """
  if not length:
    return 0
  tokens = _LEAST_LENGTH
  while tokens < length:
    tokens = tokens * 3 // 2 if tokens & (tokens - 1) == 0 else tokens * 4 // 3
  return tokens


def batch_of(trunk: Sequence[int], rows: int) -> dict[str, np.ndarray]:
  """Returns the batch that `read_trunk` takes: the trunk in every row."""
  capacity = packing.Capacity(padded_length(len(trunk)), 1, 1)
  batch = packing.empty_batch(rows, capacity)
  for row in range(rows):
    packing.fill_row(batch, row, [packing.Example(trunk, ())])
  return {name: batch[name] for name in ('tokens', 'segments', 'positions')}


class TrunkReader:
  """Reads trunks, each once on every device."""

  def __init__(self, config: DecoderConfig, mesh: jax.sharding.Mesh):
    """Initializes the reader of a decoder on a mesh."""
    self._mesh = mesh
    self._read = jax.jit(
      functools.partial(read_trunk, config), out_shardings=replicated(mesh)
    )

  def read(self, params: Any, tokens: Sequence[int]) -> Trunk | None:
    """Returns the trunk of some tokens; None if there are none."""
    if not tokens:
      return None
    batch = batch_of(tokens, batch_shards(self._mesh))
    placed = place(batch, batch_sharding(self._mesh))
    with jax.set_mesh(self._mesh):
      return self._read(params, placed)


def _sorted(prompts: Sequence[Sequence[int]]) -> tuple[list[int], list[int]]:
  """Returns the order of prompts, and what each shares with the one before.

  The last token of a prompt predicts its options and is never shared.
  """
  arrays = [np.asarray(prompt, np.int64) for prompt in prompts]
  # Bytes compare as the tokens do. Ids of soft prompts are negative.
  keys = [(array + 2**31).astype('>u4').tobytes() for array in arrays]
  order = sorted(range(len(keys)), key=keys.__getitem__)
  common = [0] if order else []
  for before, after in itertools.pairwise(order):
    most = max(min(len(arrays[before]), len(arrays[after])) - 1, 0)
    differ = arrays[before][:most] != arrays[after][:most]
    common.append(int(np.argmax(differ)) if differ.any() else most)
  return order, common


class _Node:
  """Neighbours that share `length` tokens, and how they are best divided.

  Attributes:
    parts: What they share beyond that, as (length, members).
    left: The members that no part has.
    saved: Tokens that the parts save.
  """

  def __init__(self, length: int):
    self.length = length
    self.parts: list[tuple[int, list[int]]] = []
    self.left: list[int] = []
    self.saved = 0
    self._children: list[_Node] = []

  @property
  def members(self) -> list[int]:
    return [*self.left, *(m for _, members in self.parts for m in members)]

  def add(self, child: '_Node') -> None:
    self._children.append(child)

  def close(self, cost: int) -> None:
    """Divides all neighbours: some may share no more than all of them do."""
    group, saved, parts = list(self.left), -cost - self.length, []
    for child in self._children:
      members = child.members
      if child.saved >= self.length * (len(members) - len(child.left)):
        members, saved = child.left, saved + child.saved
        parts += child.parts
      group += members
    saved += self.length * len(group)
    self.saved = sum(child.saved for child in self._children)
    if saved > self.saved:
      self.saved, self.left = saved, []
      self.parts = [*parts, (self.length, group)]
    else:
      for child in self._children:
        self.left += child.left
        self.parts += child.parts
    self._children.clear()


def _best(common: Sequence[int], cost: int) -> list[tuple[int, list[int]]]:
  """Returns (length, members) of the beginnings to share.

  Prompts with a common beginning form a tree, which is walked from its leaves.
  """
  path = [_Node(0)]
  for index, length in enumerate(common):
    _close_to(path, length, cost)
    after = common[index + 1] if index + 1 < len(common) else 0
    if after > length:
      path.append(_Node(after))
    path[-1].left.append(index)
  _close_to(path, 0, cost)
  path[0].close(cost)
  return path[0].parts


def _close_to(path: list[_Node], length: int, cost: int) -> None:
  """Closes the nodes at the end of a path that share more than `length`."""
  closed = None
  while path[-1].length > length:
    node = path.pop()
    if closed is not None:
      node.add(closed)
    node.close(cost)
    closed = node
  if path[-1].length < length:
    path.append(_Node(length))
  if closed is not None:
    path[-1].add(closed)
