"""Which rows of a copy of a dataset train, validate and test.

A copy is cut by the slices that the dataset declares. If it is too small for
them (slices are empty or overlap, or leave fewer rows to train than to validate
on), there is one rule: the rows at hand are divided by a hash of their group.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
import re

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
    (part.name, split): _parse(part.splits[split])
    for part in parts
    for split in SPLITS
    if split in part.splits
  }
  candidates = dict.fromkeys(home for home, _ in declared.values())
  present = [home for home in candidates if sizes.get(home)]
  if not present:
    raise MissingDataError(
      f'{parts[0].source}: this copy has no rows in any of '
      f'{sorted(candidates)}; prepare or import it again'
    )
  largest = max(present, key=lambda s: (sizes[s], 'val' in s, 'train' in s))
  served: dict[str, dict] = {home: {} for home in present}
  for key, (home, rows) in declared.items():
    borrowed = home not in present
    served[largest if borrowed else home][key] = None if borrowed else rows
  found = {
    key: part
    for home, wanted in served.items()
    for key, part in _serve(home, sizes[home], wanted).items()
  }
  recorded = {
    (part.name, split): rows
    for part in parts
    for split, rows in part.rows.items()
  }
  return {
    key: _compare(part, recorded.get(key, part.stop - part.start))
    for key, part in found.items()
  }


def _serve(
  home: str, size: int, wanted: Mapping[tuple[str, str], slice | None]
) -> dict[tuple[str, str], Slice]:
  """Cuts one TFDS split for the (part, split) pairs that it serves.

  Args:
    home: The TFDS split.
    size: Its rows.
    wanted: (part name, split) -> the declared rows; None if those belong to a
      TFDS split that this copy lacks.
  """
  ranges = {
    key: None if rows is None else range(size)[rows]
    for key, rows in wanted.items()
  }
  splits = tuple(s for s in SPLITS if any(split == s for _, split in wanted))
  # Several parts may declare the same slice, which is no overlap.
  distinct = {str(wanted[key]): rows for key, rows in ranges.items() if rows}
  ordered = sorted(distinct.values(), key=lambda rows: (rows.start, rows.stop))
  overlap = any(a.stop > b.start for a, b in itertools.pairwise(ordered))
  rows_of = {split: len(rows or ()) for (_, split), rows in ranges.items()}
  uneven = rows_of.get('validation', 0) > rows_of.get('train', size)
  if len(splits) > 1 and (overlap or uneven or not all(ranges.values())):
    reason = f'{home} divided over {", ".join(splits)} by group'
    return dict.fromkeys(wanted, Slice(home, 0, size, splits, reason))
  found = {}
  for key, rows in ranges.items():
    if rows is None:
      found[key] = Slice(home, 0, size, reason=f'rows borrowed from {home}')
    elif not rows:
      found[key] = Slice(home, 0, size, reason=f'all {size} rows of {home}')
    else:
      found[key] = Slice(home, rows.start, rows.stop)
  return found


def _parse(spec: str) -> tuple[str, slice]:
  match = _SLICE.match(spec)
  if not match:
    raise ValueError(f'{spec!r} is not a slice of a TFDS split')
  home, start, stop = match.groups()
  return home, slice(int(start) if start else None, int(stop) if stop else None)


def _compare(found: Slice, recorded: int) -> Slice:
  rows = found.stop - found.start
  if found.reason or rows == recorded:
    return found
  reason = f'{rows} rows instead of {recorded}'
  return dataclasses.replace(found, reason=reason)


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
  groups = [
    (h, len(list(rows))) for h, rows in itertools.groupby(sorted(hashes))
  ]
  ranges, low, passed, target = {}, 0, 0, 0.0
  for position, (split, share) in enumerate(
    zip(splits, _SHARES[splits], strict=True)
  ):
    target += share * len(hashes)
    left = len(splits) - position - 1
    first = True
    while len(groups) > left and (first or passed + groups[0][1] / 2 <= target):
      passed += groups.pop(0)[1]
      first = False
    high = groups[0][0] if left and groups else _MAX_HASH
    ranges[split] = (low, high)
    low = high
  return ranges
