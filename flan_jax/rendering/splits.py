"""Which rows of a copy of a dataset train, choose the template, and test.

A full copy is cut by the slices that the dataset declares. A copy too small
for them adapts: a split without rows takes them from the largest one
present, and one that must serve several splits is divided by a hash of the
group.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import itertools
import re

from flan_jax.definitions.dataset import SPLITS, Dataset
from flan_jax.errors import UserError

# Shares of the splits that a divided tfds_split serves, normalized over them.
_SHARES = {'train': 0.6, 'validation': 0.2, 'test': 0.2}
_MAX_VALIDATION_SHARE = 0.2

_SLICE = re.compile(r'^(\w+)(?:\[(-?\d*):(-?\d*)\])?$')


class MissingDataError(UserError):
  """No rows for a dataset; says which command brings them."""


@dataclasses.dataclass(frozen=True)
class Slice:
  """The rows of one split.

  Attributes:
    tfds_split: TFDS split the rows lie in.
    start, stop: Range of rows.
    limit: At most so many rows, or None.
    splits: Splits that share it by a hash of the group; empty where the
      range alone decides.
    reason: Why this differs from what is declared; empty where it does not.
  """

  tfds_split: str
  start: int
  stop: int
  limit: int | None = None
  splits: tuple[str, ...] = ()
  reason: str = ''

  @property
  def spec(self) -> str:
    return f'{self.tfds_split}[{self.start}:{self.stop}]'


def resolve(
  parts: Sequence[Dataset], sizes: Mapping[str, int]
) -> dict[tuple[str, str], Slice]:
  """Resolves the splits of all parts that read one source.

  Args:
    parts: Resolved parts of one dataset with the same source.
    sizes: TFDS split -> rows of this copy.

  Returns:
    (part name, split) -> slice.

  Raises:
    MissingDataError: no declared tfds_split has any row.
  """
  declared = {
    (part.name, split): _parse(part.splits[split], part.name)
    for part in parts
    for split in SPLITS
    if split in part.splits
  }
  candidates = [tfds_split for tfds_split, _, _ in declared.values()]
  present = {s: sizes[s] for s in candidates if sizes.get(s)}
  if not present:
    raise MissingDataError(
      f'{parts[0].source}: no rows in any of {sorted(set(candidates))}'
    )
  largest = max(present, key=lambda s: (present[s], 'val' in s, 'train' in s))
  resolved = {}
  homes = {
    key: tfds_split if tfds_split in present else largest
    for key, (tfds_split, _, _) in declared.items()
  }
  for tfds_split, size in present.items():
    splits = [r for r in SPLITS if (tfds_split, r) in _pairs(homes)]
    if size < len(splits) and tfds_split != largest:
      # Too few rows to divide: the first split has them, the others borrow.
      moved = {k: largest for k in homes if k[1] in splits[1:]}
      homes |= {k: v for k, v in moved.items() if homes[k] == tfds_split}
  for tfds_split in present:
    served = {k: declared[k] for k, home in homes.items() if home == tfds_split}
    resolved |= (
      _serve(tfds_split, present[tfds_split], served) if served else {}
    )
  return {
    key: _compare_with_recorded(found, key, parts)
    for key, found in resolved.items()
  }


def _pairs(homes) -> set[tuple[str, str]]:
  return {(tfds_split, split) for (_, split), tfds_split in homes.items()}


def _serve(tfds_split, size, served) -> dict[tuple[str, str], Slice]:
  """Cuts one tfds_split for the (part, split) pairs that it serves."""
  ranges = {key: _range(bounds, size) for key, bounds in served.items()}
  borrowed = any(bounds[0] != tfds_split for bounds in served.values())
  splits = tuple(r for r in SPLITS if any(split == r for _, split in served))
  distinct = {served[key]: ranges[key] for key in served}
  fits = (
    not borrowed
    and all(stop > start for start, stop in distinct.values())
    and not _overlap(list(distinct.values()))
    and _validation_is_small(served, ranges, size)
  )
  if fits or len(splits) == 1:
    return {
      key: _undivided(tfds_split, size, bounds, ranges[key])
      for key, bounds in served.items()
    }
  return {
    key: Slice(
      tfds_split,
      0,
      size,
      limit=_limit(bounds),
      splits=splits,
      reason=f'{tfds_split} divided over {", ".join(splits)} by group',
    )
    for key, bounds in served.items()
  }


def _undivided(tfds_split, size, bounds, rows) -> Slice:
  """Returns the declared range, or all rows where that has none."""
  if bounds[0] != tfds_split:
    return Slice(tfds_split, 0, size, reason=f'rows borrowed from {tfds_split}')
  if rows[0] == rows[1]:
    return Slice(tfds_split, 0, size, reason=f'all {size} rows of {tfds_split}')
  return Slice(tfds_split, *rows)


def _validation_is_small(served, ranges, size) -> bool:
  """Whether a validation carve-out of a training split takes at most a fifth.

  A validation slice declared to be the training slice itself is no carve-out.
  """
  train = {served[key] for key in served if key[1] == 'train'}
  carved = [
    stop - start
    for key, (start, stop) in ranges.items()
    if key[1] == 'validation' and served[key] not in train
  ]
  return not train or not carved or max(carved) <= size * _MAX_VALIDATION_SHARE


def _overlap(ranges: list[tuple[int, int]]) -> bool:
  ranges = sorted(ranges)
  return any(a[1] > b[0] for a, b in itertools.pairwise(ranges))


def _parse(spec: str, name: str) -> tuple[str, int | None, int | None]:
  match = _SLICE.match(spec)
  if not match:
    raise ValueError(f'dataset {name}: {spec!r} is no slice of a split')
  tfds_split, start, stop = match.groups()
  return tfds_split, int(start) if start else None, int(stop) if stop else None


def _range(bounds, size: int) -> tuple[int, int]:
  """Returns the rows of a slice, Python's rules: clipped to what is there."""
  start, stop, _ = slice(bounds[1], bounds[2]).indices(size)
  return start, max(start, stop)


def _limit(bounds) -> int | None:
  """Returns how many rows a slice of absolute bounds has at most."""
  _, start, stop = bounds
  if stop is not None and stop > 0:
    return stop - (start or 0)
  if start is not None and start < 0:
    return (stop or 0) - start
  return None


def _compare_with_recorded(found: Slice, key, parts) -> Slice:
  part = next(part for part in parts if part.name == key[0])
  recorded = part.rows.get(key[1])
  rows = found.stop - found.start
  if found.reason or recorded is None or rows == recorded:
    return found
  reason = f'{rows} rows in place of {recorded}'
  return dataclasses.replace(found, reason=reason)


def divide(
  hashes: Sequence[int], splits: Sequence[str]
) -> dict[str, tuple[int, int]]:
  """Divides groups over splits by their hashes.

  Args:
    hashes: The group hash of every row.
    splits: The splits served, in the order of `SPLITS`.

  Returns:
    Role -> half-open range of hashes; every split has a group if there are as
    many groups as splits.

  >>> divide([10, 20, 20, 30, 40, 50], ('train', 'validation'))
  {'train': (0, 50), 'validation': (50, 9223372036854775807)}
  """
  total = sum(_SHARES[split] for split in splits)
  shares = {split: _SHARES[split] / total for split in splits}
  if (
    'validation' in shares
    and shares['validation'] > _MAX_VALIDATION_SHARE
    and len(splits) > 1
  ):
    scale = (1 - _MAX_VALIDATION_SHARE) / (1 - shares['validation'])
    shares = {split: share * scale for split, share in shares.items()}
    shares['validation'] = _MAX_VALIDATION_SHARE
  counts: dict[int, int] = {}
  for value in sorted(hashes):
    counts[value] = counts.get(value, 0) + 1
  groups, ranges, low, index, passed = list(counts), {}, 0, 0, 0
  target = 0.0
  for position, split in enumerate(splits):
    left = len(splits) - position - 1
    target += shares[split] * len(hashes)
    first = index
    while index < len(groups) - left and (
      index == first or passed + counts[groups[index]] / 2 <= target
    ):
      passed += counts[groups[index]]
      index += 1
    high = groups[index] if left and index < len(groups) else 2**63 - 1
    ranges[split] = (low, high)
    low = high
  return ranges
