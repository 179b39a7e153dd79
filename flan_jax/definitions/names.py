"""The grammar of names.

Tasks: `dataset[:part][.tK][.all][.Nshot|.fitshot][.plain|.named][.rank]`.
Mixtures: `mixture[.Nshot|.fitshot][.plain|.named]`.
"""

import dataclasses
import re

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, evaluated, in_format
from flan_jax.definitions.mixture_plan import MixturePlan, PlanMember
from flan_jax.definitions.registry import UnknownNameError

# FLAN's most exemplars (section 4.4): `.fitshot` takes as many of them as fit.
MAX_SHOTS = 16

GRAMMAR = 'dataset[:part][.tK][.all][.Nshot|.fitshot][.plain|.named][.rank]'

_NAME = re.compile(
  r'^(?P<base>[\w:]+?)(?:\.t(?P<k>\d+))?(?P<all>\.all)?'
  r'(?:\.(?P<shots>\d+|fit)shot)?(?:\.(?P<format>plain|named))?'
  r'(?P<rank>\.rank)?$'
)


@dataclasses.dataclass(frozen=True)
class TaskName:
  """A parsed task name.

  Attributes:
    name: The name as given.
    dataset: The dataset it belongs to.
    part: The resolved part, with the templates of the format.
    template: K of `.tK`, or None.
    every: `.all`: every (row, admissible template).
    rank: `.rank`: one example an option.
    shots: Most exemplars before each example.
    format: One of `dataset.FORMATS`.
  """

  name: str
  dataset: Dataset
  part: Dataset
  template: int | None = None
  every: bool = False
  rank: bool = False
  shots: int = 0
  format: str = 'instructions'


def _match(name: str) -> re.Match:
  match = _NAME.match(name)
  if not match:
    raise UnknownNameError(
      f'{name!r} is no task name; the grammar is '
      f'{GRAMMAR}{registry.nearest(name)}'
    )
  return match


def _shots(match: re.Match) -> int:
  if match['shots'] is None:
    return 0
  shots = MAX_SHOTS if match['shots'] == 'fit' else int(match['shots'])
  if not 1 <= shots <= MAX_SHOTS:
    raise UnknownNameError(
      f'{match.string!r}: exemplars are 1 to {MAX_SHOTS}, or fitshot'
    )
  return shots


def parse_task(name: str) -> TaskName:
  """Parses a task name.

  >>> from flan_jax.definitions import registry
  >>> registry.load()
  >>> task = parse_task('anli:anli_r1.t3.2shot.rank')
  >>> task.part.name, task.template, task.shots, task.rank
  ('anli_r1', 3, 2, True)

  Raises:
    UnknownNameError: unknown part (names the three nearest), no such
      template, or a suffix that does not fit.
  """
  match = _match(name)
  dataset, part = registry.find_part(match['base'])
  form, shots = match['format'] or 'instructions', _shots(match)
  part = in_format(part, form)
  template = int(match['k']) if match['k'] else None
  if template is not None and template >= len(part.templates):
    raise UnknownNameError(
      f'{name!r}: {part.name} has templates t0 to t{len(part.templates) - 1}'
    )
  if template is not None and match['all']:
    raise UnknownNameError(f'{name!r}: .tK and .all exclude each other')
  if match['rank'] and part.answers is not None:
    raise UnknownNameError(f'{name!r}: {part.name} has free-text answers')
  ordinary = template is None or template in evaluated(part.templates)
  if match['rank'] and not ordinary:
    raise UnknownNameError(
      f'{name!r}: template {template} is inverted, not ranked'
    )
  if shots and registry.exemplar_part(part.name) is None:
    raise UnknownNameError(
      f'{name!r}: {part.name} has no training rows to take exemplars from'
    )
  return TaskName(
    name=name,
    dataset=dataset,
    part=part,
    template=template,
    every=bool(match['all']),
    rank=bool(match['rank']),
    shots=shots,
    format=form,
  )


def find_mixture(name: str) -> registry.Mixture | None:
  """Returns the mixture that a name stands for, None where it is a task's.

  `flan_eval_nli.5shot.named` has the members of `flan_eval_nli`, each with
  five exemplars and in the named format.

  Raises:
    UnknownNameError: a suffix that mixtures do not have.
  """
  match = _match(name)
  mixture = registry.find_mixture(match['base'])
  if mixture is None:
    return None
  if match['k'] or match['all'] or match['rank']:
    raise UnknownNameError(
      f'{name!r}: a mixture has the suffixes [.Nshot|.fitshot][.plain|.named]'
    )
  members = tuple(_with_suffixes(member, match) for member in mixture.members)
  return dataclasses.replace(mixture, name=name, members=members)


def resolve(name: str | MixturePlan) -> MixturePlan:
  """Returns what the name of a mixture, a dataset or a task stands for.

  A dataset of several parts, named as a whole, stands for those that train.

  >>> from flan_jax.definitions import registry
  >>> registry.load()
  >>> plan = resolve('flan_eval_nli.5shot')
  >>> plan.purpose, plan.members[0].part.name, plan.members[0].shots
  ('eval', 'anli_r1', 5)

  Raises:
    UnknownNameError: unknown name (suggests the three nearest), a suffix that
      mixtures do not have, or a mixture of templates that a part lacks.
  """
  if isinstance(name, MixturePlan):
    return name
  match = _match(name)
  declared = registry.find_mixture(match['base'])
  if declared is None:
    return MixturePlan(name, _members_of_task(name, match))
  if match['k'] or match['all'] or match['rank']:
    raise UnknownNameError(
      f'{name!r}: a mixture has the suffixes [.Nshot|.fitshot][.plain|.named]'
    )
  return MixturePlan(
    name=name,
    members=tuple(_resolve(name, m, match) for m in declared.members),
    purpose=declared.purpose,
    held_out=declared.held_out,
    excluded=declared.excluded,
    note=declared.note,
  )


def _resolve(name: str, declared: registry.Member, match) -> PlanMember:
  member = _with_suffixes(declared, match)
  part = registry.find_part(member.part)[1]
  if max(member.templates or (0,)) >= len(part.templates):
    raise UnknownNameError(
      f'{name!r}: {part.name} has templates t0 to t{len(part.templates) - 1}, '
      f'not t{max(member.templates)}'
    )
  part = in_format(part, member.format)
  return PlanMember(part, member.templates, member.shots, part.exemplar_part)


def _members_of_task(name: str, match: re.Match) -> tuple[PlanMember, ...]:
  base, suffixes = match['base'], name[len(match['base']) :]
  for dataset in registry.datasets():
    if dataset.name == base and base not in registry.parts():
      return tuple(
        member
        for part in dataset.resolve_parts()
        if part.trains
        for member in resolve(part.name + suffixes).members
      )
  task = parse_task(name)
  templates = None if task.template is None else (task.template,)
  return (
    PlanMember(task.part, templates, task.shots, task.part.exemplar_part),
  )


def _with_suffixes(member: registry.Member, match) -> registry.Member:
  if match['format']:
    # The bare forms are no instructions: numbers of templates mean nothing.
    member = dataclasses.replace(member, templates=None, format=match['format'])
  if match['shots']:
    member = dataclasses.replace(member, shots=_shots(match))
  return member


def members(name: str) -> tuple[registry.Member, ...]:
  """Returns the members of a mixture, or of a task taken as a mixture.

  A dataset of several parts, named as a whole, stands for those that train.

  Raises:
    UnknownNameError: unknown name (names the three nearest), or a mixture of
      templates that a part does not have.
  """
  mixture = find_mixture(name)
  if mixture is not None:
    for member in mixture.members:
      _check_templates(name, member)
    return mixture.members
  match = _match(name)
  base, suffixes = match['base'], name[len(match['base']) :]
  for dataset in registry.datasets():
    if dataset.name == base and base not in registry.parts():
      return tuple(
        member
        for part in dataset.resolve_parts()
        if part.trains
        for member in members(part.name + suffixes)
      )
  task = parse_task(name)
  templates = None if task.template is None else (task.template,)
  return (registry.Member(task.part.name, templates, task.shots, task.format),)


def _check_templates(name: str, member: registry.Member) -> None:
  """Refuses numbers that a template set with fewer templates leaves empty."""
  if member.templates is None:
    return
  count = len(registry.find_part(member.part)[1].templates)
  if max(member.templates) >= count:
    raise UnknownNameError(
      f'{name!r}: {member.part} has templates t0 to t{count - 1}, not '
      f't{max(member.templates)}'
    )


def task_names(member: PlanMember) -> list[str]:
  """Returns the tasks of a member: one, or one for each of its templates."""
  suffix = member_suffix(member)
  if member.templates is None:
    return [member.part.name + suffix]
  return [f'{member.part.name}.t{k}{suffix}' for k in member.templates]


def member_suffix(member: registry.Member | PlanMember) -> str:
  """Returns what the names of a member's tasks end in, after the template."""
  shots = f'.{member.shots}shot' if member.shots else ''
  form = '' if member.format == 'instructions' else f'.{member.format}'
  return shots + form
