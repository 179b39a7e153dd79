"""The grammar of names.

Tasks: `dataset[:part][.tK][.all][.Nshot|.fitshot][.plain|.named][.rank]`.
Mixtures: `mixture[.Nshot|.fitshot][.plain|.named]`.
"""

from collections.abc import Sequence
import dataclasses
import re

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, evaluated, in_format
from flan_jax.definitions.mixture_plan import MixturePlan, PlanMember
from flan_jax.definitions.registry import UnknownNameError

# FLAN's maximum (section 4.4). `.fitshot` takes as many exemplars as fit.
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
    part: The resolved part, with the templates of its format.
    template: K of `.tK`, or None.
    every: Whether `.all` asks for every (row, admissible template).
    rank: Whether `.rank` asks for one example per option.
    shots: Most exemplars before each example.
  """

  name: str
  part: Dataset
  template: int | None = None
  every: bool = False
  rank: bool = False
  shots: int = 0


def _match(name: str) -> re.Match:
  match = _NAME.match(name)
  if not match:
    raise UnknownNameError(
      f'{name!r} is not a task name; the grammar is '
      f'{GRAMMAR}{registry.nearest_name(name)}'
    )
  return match


def _shots(match: re.Match) -> int:
  if match['shots'] is None:
    return 0
  shots = MAX_SHOTS if match['shots'] == 'fit' else int(match['shots'])
  if not 1 <= shots <= MAX_SHOTS:
    raise UnknownNameError(
      f'{match.string!r}: the number of exemplars is 1 to {MAX_SHOTS}, or fit'
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
    UnknownNameError: unknown part (suggests the three nearest), unknown
      template, or a suffix that does not apply.
  """
  match = _match(name)
  part = registry.find_part(match['base'])[1]
  part = in_format(part, match['format'] or 'instructions')
  shots = _shots(match)
  template = int(match['k']) if match['k'] else None
  if template is not None and template >= len(part.templates):
    raise UnknownNameError(
      f'{name!r}: {part.name} has templates t0 to t{len(part.templates) - 1}'
    )
  if template is not None and match['all']:
    raise UnknownNameError(f'{name!r}: use either .tK or .all')
  if match['rank'] and part.answers is not None:
    raise UnknownNameError(
      f'{name!r}: {part.name} has free-text answers, which cannot be ranked'
    )
  ordinary = template is None or template in evaluated(part.templates)
  if match['rank'] and not ordinary:
    raise UnknownNameError(
      f'{name!r}: template {template} is inverted, which cannot be ranked'
    )
  if shots and part.exemplar_part is None:
    raise UnknownNameError(
      f'{name!r}: {part.name} has no training rows to take exemplars from'
    )
  return TaskName(
    name=name,
    part=part,
    template=template,
    every=bool(match['all']),
    rank=bool(match['rank']),
    shots=shots,
  )


def resolve(name: str) -> MixturePlan:
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


def resolve_all(
  mixtures: Sequence[str | Sequence[str] | None],
) -> list[MixturePlan]:
  """Returns what names, and those in nested lists, stand for, each once.

  >>> from flan_jax.definitions import registry
  >>> registry.load()
  >>> plans = resolve_all(['flan_eval_nli', ['rte', 'cb'], None, 'rte'])
  >>> [plan.name for plan in plans]
  ['flan_eval_nli', 'rte', 'cb']
  """
  plans = {}
  for entry in mixtures:
    if isinstance(entry, str):
      plans[entry] = resolve(entry)
    elif entry is not None:
      plans |= {plan.name: plan for plan in resolve_all(entry)}
  return list(plans.values())


def _resolve(name: str, member: registry.Member, match) -> PlanMember:
  part = registry.find_part(member.part)[1]
  templates = member.templates
  if max(templates or (0,)) >= len(part.templates):
    raise UnknownNameError(
      f'{name!r}: {part.name} has templates t0 to t{len(part.templates) - 1}, '
      f'not t{max(templates)}'
    )
  if match['format']:
    # The numbers of templates belong to the instructions.
    part, templates = in_format(part, match['format']), None
  shots = _shots(match) or member.shots
  return PlanMember(part, templates, shots, part.exemplar_part)


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


def task_names(member: PlanMember) -> list[str]:
  """Returns the tasks of a member: one, or one for each of its templates."""
  suffix = f'.{member.shots}shot' if member.shots else ''
  if member.format != 'instructions':
    suffix += f'.{member.format}'
  if member.templates is None:
    return [member.part.name + suffix]
  return [f'{member.part.name}.t{k}{suffix}' for k in member.templates]
