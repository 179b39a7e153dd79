"""The leak check: what a training mixture shares with its evaluation.

Imports TensorFlow, to read rows.

Three verdicts. RULE, from the registry alone: no part, dataset or excluded
cluster of the evaluation is trained on. ROW, from the data: no evaluated row
shares a main text with a row that may be trained on. DERIVED: which datasets on
the two sides are declared to be made from one another; told, never an error,
and the reason why they may share rows.
"""

from collections.abc import Sequence
import dataclasses
import textwrap
from typing import Any

from flan_jax.definitions import names, registry
from flan_jax.definitions.registry import Mixture
from flan_jax.inspection.row_overlap import Compared, Overlap, compare_rows


@dataclasses.dataclass(frozen=True)
class Breach:
  """A trained part that the rule forbids.

  Attributes:
    trained: Name of the part.
    reason: What forbids it, as the end of a sentence about it.
  """

  trained: str
  reason: str


@dataclasses.dataclass(frozen=True)
class Derived:
  """A declared relation between an evaluated and a trained dataset.

  Attributes:
    evaluated: Name of the evaluated dataset.
    trained: Name of the trained dataset.
    made: Which of the two is made from the other, `evaluated` or `trained`.
  """

  evaluated: str
  trained: str
  made: str


@dataclasses.dataclass(frozen=True)
class Report:
  """The three verdicts on a training mixture.

  Attributes:
    mixture: Its name.
    evaluations: Names of the mixtures that evaluate what it holds out.
    trained: Names of its parts.
    evaluated: Names of the evaluated parts.
    breaches: RULE, empty where it is kept.
    rows: ROW.
    derived: DERIVED.
  """

  mixture: str
  evaluations: tuple[str, ...]
  trained: tuple[str, ...]
  evaluated: tuple[str, ...]
  breaches: tuple[Breach, ...]
  rows: Compared
  derived: tuple[Derived, ...]

  @property
  def rule_verdict(self) -> str:
    return 'failed' if self.breaches else 'passed'

  @property
  def row_verdict(self) -> str:
    """`failed`, `not checked`, `incomplete` (some parts only) or `passed`."""
    if self.rows.undeclared:
      return 'failed'
    if not self.rows.evaluated:
      return 'not checked'
    return 'incomplete' if self.rows.missing else 'passed'

  @property
  def failed(self) -> bool:
    """Whether there is an error; rows that are not there are none."""
    return 'failed' in (self.rule_verdict, self.row_verdict)

  def as_json(self) -> dict[str, Any]:
    """Returns the report as what `json.dumps` takes."""
    verdicts = {
      'failed': self.failed,
      'rule_verdict': self.rule_verdict,
      'row_verdict': self.row_verdict,
    }
    return {**verdicts, **dataclasses.asdict(self)}

  def text(self) -> str:
    """Returns the report as lines of text, without a last line break."""
    lines = [
      f'{self.mixture} trains on {len(self.trained)} parts, '
      f'{" and ".join(self.evaluations)} evaluates {len(self.evaluated)}',
      f'RULE {self.rule_verdict}',
      *(f'  error: {b.trained} {b.reason}' for b in self.breaches),
      f'ROW {self.row_verdict}: {self._extent()}',
    ]
    for overlap in self.rows.overlaps:
      lines += _overlap_lines(overlap)
    for side, parts in (
      ('evaluated', self.evaluated),
      ('trained', self.trained),
    ):
      absent = [part for part in parts if part in self.rows.missing]
      if absent:
        lines += _wrap(f'not checked ({side}): {", ".join(absent)}')
    lines.append(f'DERIVED: {len(self.derived) or "no"} declared pairs')
    lines += [f'  {_sentence(pair)}' for pair in self.derived]
    return '\n'.join(lines)

  def _extent(self) -> str:
    rows = self.rows
    return (
      f'{sum(rows.evaluated.values())} rows of {len(rows.evaluated)} of '
      f'{len(self.evaluated)} evaluated parts compared with '
      f'{sum(rows.trained.values())} rows of {len(rows.trained)} of '
      f'{len(self.trained)} trained parts; {rows.short} rows are too short'
    )


def _overlap_lines(overlap: Overlap) -> list[str]:
  kind = 'declared derived' if overlap.derived else 'error'
  head = (
    f'{kind}: {overlap.evaluated_rows} rows in {overlap.groups} groups of '
    f'{overlap.evaluated} (evaluated) stand in {overlap.trained_rows} rows of '
    f'{overlap.trained} (trained)'
  )
  return [f'  {head}', *(f'    "{e.text}"' for e in overlap.examples)]


def _wrap(text: str) -> list[str]:
  return textwrap.wrap(text, 80, initial_indent='  ', subsequent_indent='    ')


def _sentence(pair: Derived) -> str:
  evaluated = f'{pair.evaluated} (evaluated)'
  trained = f'{pair.trained} (trained)'
  if pair.made == 'evaluated':
    return f'{evaluated} is made from {trained}'
  return f'{trained} is made from {evaluated}'


def check(mixture: str, data_dir: str | None = None) -> Report:
  """Looks for what a training mixture shares with its evaluation.

  Its evaluation is every evaluation mixture that states the same `held_out`.

  Args:
    mixture: Name of a training mixture that holds something out, with suffixes
      or without.
    data_dir: TFDS data directory; None for TFDS's own default. Members without
      rows there are reported as not checked.

  Raises:
    UnknownNameError: no such mixture; names the three nearest.
    ValueError: it is no training mixture, holds nothing out, or nothing
      evaluates what it holds out.
  """
  training = _training_mixture(mixture)
  evaluations = [
    m
    for m in registry.mixtures()
    if m.purpose == 'eval' and m.held_out == training.held_out
  ]
  if not evaluations:
    raise ValueError(
      f'{mixture}: no evaluation mixture has held_out={training.held_out!r}'
    )
  trained = _part_names([training])
  evaluated = _part_names(evaluations)
  return Report(
    mixture=mixture,
    evaluations=tuple(m.name for m in evaluations),
    trained=trained,
    evaluated=evaluated,
    breaches=_breaches(training, evaluations),
    rows=compare_rows(trained, evaluated, data_dir),
    derived=_derived(trained, evaluated),
  )


def _training_mixture(name: str) -> Mixture:
  mixture = names.find_mixture(name)
  if mixture is None:
    names.members(name)  # Raises where the name is nothing at all.
    raise ValueError(f'{name} is a task: only mixtures are checked for leaks')
  if mixture.purpose != 'train':
    raise ValueError(
      f'{name} evaluates; check the mixture that trains, as flan_holdout_nli'
    )
  if mixture.held_out is None:
    raise ValueError(f'{name} holds nothing out: there is nothing to leak')
  return mixture


def _part_names(mixtures: Sequence[Mixture]) -> tuple[str, ...]:
  members = [member for mixture in mixtures for member in mixture.members]
  parts = [registry.find_part(member.part)[1] for member in members]
  return tuple(dict.fromkeys(part.name for part in parts))


def _breaches(
  training: Mixture, evaluations: Sequence[Mixture]
) -> tuple[Breach, ...]:
  """Returns the trained parts that the evaluation forbids.

  What a mixture holds out closes its cluster where it is the name of one; a
  dataset held out alone closes none. `Mixture.excluded` closes further ones,
  whichever of the two sides states it.
  """
  evaluated = _part_names(evaluations)
  datasets = {registry.find_part(part)[0].name for part in evaluated}
  closed = {c for m in (training, *evaluations) for c in m.excluded}
  found = []
  for name in _part_names([training]):
    dataset, part = registry.find_part(name)
    if name in evaluated:
      reason = 'is evaluated'
    elif dataset.name in datasets:
      reason = f'is a part of {dataset.name}, which is evaluated'
    elif part.cluster == training.held_out:
      reason = f'is of the cluster {part.cluster}, which is held out'
    elif part.cluster in closed:
      reason = (
        f'is of the cluster {part.cluster}, which {training.held_out} excludes'
      )
    else:
      continue
    found.append(Breach(name, reason))
  return tuple(found)


def _derived(
  trained: Sequence[str], evaluated: Sequence[str]
) -> tuple[Derived, ...]:
  pairs = [
    (registry.find_part(e)[0], registry.find_part(t)[0])
    for e in evaluated
    for t in trained
  ]
  found = [
    Derived(e.name, t.name, made)
    for e, t in pairs
    for made, child, parent in (('evaluated', e, t), ('trained', t, e))
    if parent.name in child.derived_from
  ]
  return tuple(dict.fromkeys(found))
