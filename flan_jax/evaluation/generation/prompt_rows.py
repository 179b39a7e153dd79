"""The rows in which prompts are read, several to a row."""

from collections.abc import Sequence
import dataclasses
import itertools
from typing import NamedTuple

import numpy as np

from flan_jax.batches import packing

_MAX_SEGMENTS = 64
# Prompts that are packed to fill rows, relative to the places of these: with a
# choice among more prompts, rows are fuller.
_CHOICE = 1.25


class ReadPlace(NamedTuple):
  """Where a prompt was put."""

  prompt: int  # Its index.
  row: int
  start: int  # Index of its first token in the row.


@dataclasses.dataclass(frozen=True)
class PromptRows:
  """Rows of one length, in a few numbers.

  Attributes:
    length: Tokens of a row.
    counts: Numbers of rows, rising; the first that is enough is used. Each
      compiles a program.
  """

  length: int
  counts: Sequence[int]

  @classmethod
  def up_to(cls, length: int, most: int, shards: int) -> 'PromptRows':
    """Returns numbers of rows that double, up to `most`, per shard."""
    doubled = itertools.takewhile(
      lambda n: n < most, (1 << n for n in itertools.count())
    )
    return cls(length, [n * shards for n in (*doubled, most)])

  def pack(
    self, prompts: Sequence[Sequence[int]], after: int = 0
  ) -> tuple[list[ReadPlace], dict[str, np.ndarray]]:
    """Packs most of the first prompts; returns their places, and rows.

    Their positions begin with `after`, the tokens of a trunk.

    >>> read, batch = PromptRows(4, [1, 2]).pack([[5], [6, 7, 8], [9, 9]])
    >>> [tuple(place) for place in read]
    [(1, 0, 0), (0, 0, 3), (2, 1, 0)]
    >>> batch['tokens'].tolist(), batch['positions'].tolist()
    ([[6, 7, 8, 5], [9, 9, 0, 0]], [[0, 1, 2, 0], [0, 1, 0, 0]])
    """
    most = _CHOICE * self.length * self.counts[-1]
    lengths = np.array([len(prompt) for prompt in prompts])
    lengths = lengths[: 1 + np.searchsorted(np.cumsum(lengths), most)]
    capacity = packing.Capacity(self.length, 1, _MAX_SEGMENTS)
    rows = packing.pack(lengths, np.zeros(len(lengths), int), capacity)
    rows = rows[: self.counts[-1]]
    count = next(n for n in self.counts if n >= len(rows))
    batch = packing.empty_batch(count, capacity)
    read = []
    for row, items in enumerate(rows):
      members = [prompts[item] for item in items]
      examples = [packing.Example(prompt, ()) for prompt in members]
      packing.fill_row(batch, row, examples, after)
      starts = itertools.accumulate(map(len, members), initial=0)
      read += map(ReadPlace, items, itertools.repeat(row), starts)
    return read, batch
