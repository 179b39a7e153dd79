"""Whether what is evaluated was kept out of training.

The rule is the paper's (section 2.2): a dataset counts as unseen if no dataset
of its cluster, and of clusters that need the same skill, was trained on. It
compares declarations, not rows; `inspection.holdout_leakage` compares rows.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import re
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.errors import ConfigError

# Its datasets need different skills; each is held out by itself.
_UNLIKE = 'misc'
_MOST_NAMED = 8
_SLICE = re.compile(r'(?P<split>\w+)\[(?P<start>\d+):(?P<stop>\d+)\]')


@dataclasses.dataclass(frozen=True)
class TrainedPart:
  """A part that was trained on, as checkpoints record it.

  The module that declared it need not be at hand when it is compared.

  Attributes:
    part: Its name.
    dataset: The declared dataset that it belongs to.
    cluster: Its cluster.
    source: Its TFDS name without the version.
    rows: The slice that was trained on.
  """

  part: str
  dataset: str
  cluster: str
  source: str
  rows: str

  @classmethod
  def of(cls, part: Dataset) -> 'TrainedPart':
    source = _source(part)
    rows = part.splits.get('train', '')
    return cls(part.name, part.dataset.name, part.cluster, source, rows)


@dataclasses.dataclass(frozen=True)
class TrainedOn:
  """A mixture that was trained on.

  Attributes:
    mixture: Its name.
    parts: Its parts.
  """

  mixture: str
  parts: tuple[TrainedPart, ...]

  @classmethod
  def of(cls, plan: MixturePlan) -> 'TrainedOn':
    parts = dict.fromkeys(TrainedPart.of(m.part) for m in plan.members)
    return cls(plan.name, tuple(parts))

  @classmethod
  def recorded(cls, entry: Mapping[str, Any]) -> 'TrainedOn':
    """Returns an entry of the record of a checkpoint, see `as_json`."""
    parts = tuple(TrainedPart(**part) for part in entry['parts'])
    return cls(entry['mixture'], parts)

  def as_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True)
class History:
  """What a model was trained on, run after run, as checkpoints record it.

  Attributes:
    mixtures: The mixtures, in order.
    known: Whether these are all. Of an imported model, they are: nothing counts
      that happened elsewhere.
  """

  mixtures: tuple[TrainedOn, ...] = ()
  known: bool = True

  @classmethod
  def recorded(cls, record: Mapping[str, Any]) -> 'History':
    """Returns what the record of a checkpoint says."""
    if (about := record.get('trained_on')) is not None:
      mixtures = tuple(map(TrainedOn.recorded, about['mixtures']))
      return cls(mixtures, about['known'])
    return cls(known='imported' in record)

  def as_json(self) -> dict[str, Any]:
    return dataclasses.asdict(self)

  def then(self, *others: TrainedOn) -> 'History':
    """Returns this history, followed by others."""
    return History((*self.mixtures, *others), self.known)

  def before_last(self) -> 'History':
    """Returns this history without its last mixture."""
    return History(self.mixtures[:-1], self.known)

  @property
  def last(self) -> str | None:
    """The name of the last mixture; None if there was none."""
    return self.mixtures[-1].mixture if self.mixtures else None

  def breaches(
    self, evaluations: Sequence[MixturePlan]
  ) -> list[dict[str, str]] | None:
    """Returns what `breaches` finds; None if it finds nothing in a part."""
    found = breaches(self.mixtures, evaluations)
    return found if found or self.known else None

  def require_held_out(self, evaluations: Sequence[MixturePlan]) -> None:
    """Raises ConfigError unless all that is evaluated was held out."""
    found = self.breaches(evaluations)
    if found:
      reasons = '; '.join(f'{b["trained"]} {b["reason"]}' for b in found[:3])
      raise ConfigError(
        f'REQUIRE_HELD_OUT: {headline(found)} ({reasons}): evaluate something '
        'else, or train on a mixture that holds it out'
      )
    if found is None:
      raise ConfigError(f'REQUIRE_HELD_OUT: {headline(found)}')


def breaches(
  trained: Iterable[TrainedOn],
  evaluations: Sequence[MixturePlan],
  excluded: Iterable[str] = (),
) -> list[dict[str, str]]:
  """Returns what was trained on although it is evaluated, or like that.

  An evaluation mixture declares which clusters it holds out. For other names,
  such as a task or a mixture without `held_out`, these are the clusters of the
  smallest declared hold-out that evaluates the same part.

  Args:
    trained: All that was trained on.
    evaluations: What is evaluated.
    excluded: More clusters that may not be trained on.

  Returns:
    [{'trained': name of a part, 'reason': why it may not be trained on}].
  """
  closed = _Closed(evaluations, excluded)
  parts = dict.fromkeys(part for one in trained for part in one.parts)
  return [
    {'trained': part.part, 'reason': reason}
    for part in parts
    if (reason := closed.reason(part))
  ]


def headline(found: Sequence[Mapping[str, str]] | None) -> str:
  """Returns the first line about an evaluation; empty if all is held out.

  Args:
    found: What `History.breaches` returned.

  >>> headline([{'trained': 'rte', 'reason': 'is evaluated'}])
  'not held out: rte'
  """
  if found is None:
    return 'held out or not: the checkpoint does not record its training data'
  names = [one['trained'] for one in found]
  more = len(names) - _MOST_NAMED
  shown = names if more <= 0 else [*names[:_MOST_NAMED], f'{more} more']
  return f'not held out: {", ".join(shown)}' if names else ''


class _Closed:
  """What may not be trained on when something is evaluated."""

  def __init__(
    self, evaluations: Sequence[MixturePlan], excluded: Iterable[str]
  ):
    self._parts = [m.part for plan in evaluations for m in plan.members]
    # Cluster -> why it is closed; dataset -> the part it is held out with.
    self._clusters = {c: 'which is excluded' for c in excluded}
    self._together: dict[str, str] = {}
    for plan in evaluations:
      if plan.held_out is not None:
        self._close(plan.held_out, plan.excluded)
      else:
        for member in plan.members:
          self._close_hold_out(member.part)

  def _close(self, held_out: str, excluded: Iterable[str]) -> None:
    for cluster in excluded:
      self._clusters[cluster] = f'which {held_out} excludes'
    self._clusters[held_out] = 'which is held out'

  def _close_hold_out(self, part: Dataset) -> None:
    """Closes the clusters of the smallest hold-out that evaluates a part."""
    found = [
      mixture
      for mixture in registry.mixtures()
      if mixture.purpose == 'eval'
      and mixture.held_out is not None
      and any(member.part == part.name for member in mixture.members)
    ]
    if not found:
      if part.cluster != _UNLIKE:
        self._clusters[part.cluster] = f'like {part.name}, which is evaluated'
      return
    smallest = min(found, key=lambda mixture: len(mixture.members))
    self._close(smallest.held_out, smallest.excluded)
    for member in smallest.members:
      dataset, _ = registry.find_part(member.part)
      self._together.setdefault(dataset.name, part.name)

  def reason(self, trained: TrainedPart) -> str:
    """Returns why a part may not be trained on; empty if it may."""
    parts, name = self._parts, trained.dataset
    if any(trained.part == part.name for part in parts):
      return 'is evaluated'
    if any(name == part.dataset.name for part in parts):
      return f'is a part of {name}, which is evaluated'
    for part in parts:
      if trained.source == _source(part) and not _disjoint(trained, part):
        return f'has the source of {part.name}, which is evaluated'
    if trained.cluster in self._clusters:
      why = self._clusters[trained.cluster]
      return f'is in the cluster {trained.cluster}, {why}'
    if name in self._together:
      return f'is held out with {self._together[name]}, which is evaluated'
    return ''


def _source(part: Dataset) -> str:
  return part.source.partition(':')[0]


def _disjoint(trained: TrainedPart, part: Dataset) -> bool:
  """Whether two datasets declare other rows of one source for training.

  FLAN makes several datasets of one source, by slices with both ends known.
  """
  ours, theirs = (
    _SLICE.fullmatch(rows)
    for rows in (trained.rows, part.splits.get('train', ''))
  )
  if ours is None or theirs is None or ours['split'] != theirs['split']:
    return False
  return int(ours['stop']) <= int(theirs['start']) or (
    int(theirs['stop']) <= int(ours['start'])
  )
