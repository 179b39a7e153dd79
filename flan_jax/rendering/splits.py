"""Which rows of a copy of a dataset train, validate and test.

One rule: where the declared TFDS slices have rows, they are used. Otherwise a
hash of their group divides the rows at hand, which is recorded as adapted.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
import re

import numpy as np

from flan_jax.definitions.dataset import SPLITS, Dataset
from flan_jax.errors import UserError

# Validation gets a fifth of the rows that it shares with other splits.
_SHARES = {
  ('train', 'validation'): (0.8, 0.2),
  ('train', 'test'): (0.75, 0.25),
  ('validation', 'test'): (0.2, 0.8),
  ('train', 'validation', 'test'): (0.6, 0.2, 0.2),
}

_MAX_HASH = 2**63 - 1
_SLICE = re.compile(r'^(\w+)(?:\[(-?\d*):(-?\d*)\])?$')


class MissingDataError(UserError):
  """A dataset without rows; names the command that gets them."""


@dataclasses.dataclass(frozen=True)
class Slice:
  """The rows of one split.

  Attributes:
    tfds_split: TFDS split that holds the rows.
    start, stop: Range of rows.
    splits: Splits that divide the rows by a hash of the group; empty if the
      range alone decides.
    reason: How this differs from the declaration; empty if it does not.
  """

  tfds_split: str
  start: int
  stop: int
  splits: tuple[str, ...] = ()
  reason: str = ''

  @property
  def spec(self) -> str:
    return f'{self.tfds_split}[{self.start}:{self.stop}]'


def resolve(
  parts: Sequence[Dataset], sizes: Mapping[str, int]
) -> dict[tuple[str, str], Slice]:
  """Resolves the splits of all parts that read one source.

  A split whose TFDS split has no rows in this copy takes them from the largest
  one that has.

  Args:
    parts: Resolved parts of one dataset with the same source.
    sizes: TFDS split -> rows of this copy.

  Returns:
    (part name, split) -> slice.

  Raises:
    MissingDataError: no declared TFDS split has any rows.
  """
  declared = {
    (part.name, split): _parse(spec)
    for part in parts
    for split, spec in part.splits.items()
  }
  homes = dict.fromkeys(home for home, _ in declared.values())
  served: dict[str, dict] = {home: {} for home in homes if sizes.get(home)}
  if not served:
    raise MissingDataError(
      f'{parts[0].source}: this copy has no rows in any of {sorted(homes)}, '
      f'but in {sorted(sizes)}; prepare or import it again, or declare splits '
      'that it has'
    )
  largest = max(served, key=lambda s: (sizes[s], 'val' in s, 'train' in s))
  for key, (home, rows) in declared.items():
    present = home in served
    served[home if present else largest][key] = rows if present else slice(0)
  found = {}
  for home, wanted in served.items():
    found |= _serve(home, sizes[home], wanted)
  for part in parts:
    for split in part.splits:
      one = found[part.name, split]
      rows = one.stop - one.start
      recorded = part.rows.get(split, rows)
      if part.on_training_rows:
        reason = '; '.join(filter(None, ('the training rows', one.reason)))
        found[part.name, split] = dataclasses.replace(one, reason=reason)
      elif not one.reason and rows != recorded:
        reason = f'{rows} rows instead of {recorded}'
        found[part.name, split] = dataclasses.replace(one, reason=reason)
  return found


def _parse(spec: str) -> tuple[str, slice]:
  match = _SLICE.match(spec)
  if not match:
    raise ValueError(f'{spec!r} is not a slice of a TFDS split')
  home, start, stop = match.groups()
  return home, slice(int(start) if start else None, int(stop) if stop else None)


def _serve(
  home: str, size: int, wanted: Mapping[tuple[str, str], slice]
) -> dict[tuple[str, str], Slice]:
  """Cuts one TFDS split for the (part, split) pairs that it serves."""
  ranges = {key: range(size)[rows] for key, rows in wanted.items()}
  # Several parts may declare the same slice, which is no overlap.
  distinct = {str(wanted[key]): rows for key, rows in ranges.items()}
  ordered = sorted(distinct.values(), key=lambda rows: (rows.start, rows.stop))
  overlap = any(a.stop > b.start for a, b in itertools.pairwise(ordered))
  rows_of = {split: len(rows) for (_, split), rows in ranges.items()}
  uneven = rows_of.get('validation', 0) > rows_of.get('train', size)
  if all(ranges.values()) and not overlap and not uneven:
    return {
      key: Slice(home, rows.start, rows.stop) for key, rows in ranges.items()
    }
  splits = tuple(split for split in SPLITS if split in rows_of)
  if len(splits) == 1:
    whole = Slice(home, 0, size, reason=f'all {size} rows of {home}')
  else:
    reason = f'{home} divided over {", ".join(splits)} by group'
    whole = Slice(home, 0, size, splits, reason)
  return dict.fromkeys(wanted, whole)


def divide(
  hashes: Sequence[int], splits: tuple[str, ...]
) -> dict[str, tuple[int, int]]:
  """Divides groups over splits by their hashes.

  Args:
    hashes: The group hash of every row.
    splits: The splits served, in the order of `SPLITS`.

  Returns:
    Split -> half-open range of hashes. Every split has a group if there are as
    many groups as splits.

  >>> divide([10, 20, 20, 30, 40, 50], ('train', 'validation'))
  {'train': (0, 50), 'validation': (50, 9223372036854775807)}
  """
  groups, rows = np.unique(np.asarray(hashes, np.int64), return_counts=True)
  middles = np.cumsum(rows) - rows / 2
  targets = np.cumsum(np.multiply(_SHARES[splits], len(hashes)))
  wanted = np.searchsorted(middles, targets, side='right')
  ranges, low, end = {}, 0, 0
  for position, split in enumerate(splits, 1):
    most = len(groups) - (len(splits) - position)  # A group for each after it.
    end = max(end, min(max(end + 1, wanted[position - 1]), most))
    high = int(groups[end]) if end < len(groups) else _MAX_HASH
    ranges[split] = (low, high)
    low = high
  return ranges
