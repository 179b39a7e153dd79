"""The grammar of names.

Tasks: `dataset[:part][.tK][.all]` and then
`[.train_rows][.Nshot|.fitshot][.plain|.named][.rank]`.
Mixtures: `mixture[.tK][.train_rows][.Nshot|.fitshot][.plain|.named]`.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import re

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import (
  Dataset,
  evaluated,
  in_format,
  on_training_rows,
)
from flan_jax.definitions.mixture_plan import MixturePlan, PlanMember
from flan_jax.definitions.registry import UnknownNameError

# FLAN's maximum (section 4.4). `.fitshot` takes as many exemplars as fit.
MAX_SHOTS = 16

GRAMMAR = (
  'dataset[:part][.tK][.all][.train_rows][.Nshot|.fitshot][.plain|.named]'
  '[.rank]'
)
_MIXTURE_SUFFIXES = '[.tK][.train_rows][.Nshot|.fitshot][.plain|.named]'

_NAME = re.compile(
  r'(?P<base>[\w:]+?)(?:\.t(?P<k>\d+))?(?P<all>\.all)?'
  r'(?P<train_rows>\.train_rows)?'
  r'(?:\.(?P<shots>\d+|fit)shot)?(?:\.(?P<format>plain|named))?'
  r'(?P<rank>\.rank)?'
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
  if match := _NAME.fullmatch(name):
    return match
  raise UnknownNameError(
    f'{name!r} is not a task name; the grammar is '
    f'{GRAMMAR}{registry.nearest_name(name)}'
  )


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
  task = TaskName(
    name=name,
    part=_in_variant(part, match),
    template=int(match['k']) if match['k'] else None,
    every=bool(match['all']),
    rank=bool(match['rank']),
    shots=_shots(match),
  )
  for problem in _problems(task):
    raise UnknownNameError(f'{name!r}: {problem}')
  return task


def _in_variant(part: Dataset, match: re.Match) -> Dataset:
  """Returns a part in the format, and on the rows, that a name asks for."""
  if match['train_rows']:
    if not part.trains:
      raise UnknownNameError(
        f'{match.string!r}: {part.name} has no training rows'
      )
    part = on_training_rows(part)
  return in_format(part, match['format'] or 'instructions')


def _problems(task: TaskName) -> Iterator[str]:
  """Yields why a task does not exist, although its part does."""
  part, template = task.part, task.template
  if template is not None:
    if template >= len(part.templates):
      yield f'{part.name} has templates t0 to t{len(part.templates) - 1}'
    if task.every:
      yield 'use either .tK or .all'
    if task.rank and part.templates[template].inverted:
      yield f'template {template} is inverted, which cannot be ranked'
  if task.rank and part.answers is not None:
    yield f'{part.name} has free-text answers, which cannot be ranked'
  if task.shots and part.exemplar_part is None:
    yield f'{part.name} has no training rows to take exemplars from'


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
    members = tuple(
      PlanMember(
        task.part,
        None if task.template is None else (task.template,),
        task.shots,
        task.part.exemplar_part,
      )
      for task in tasks_of(name, training=True)
    )
    return MixturePlan(name, members)
  if match['all'] or match['rank']:
    raise UnknownNameError(
      f'{name!r}: a mixture has the suffixes {_MIXTURE_SUFFIXES}'
    )
  if match['train_rows'] and declared.purpose != 'eval':
    raise UnknownNameError(
      f'{name!r}: .train_rows is for evaluation, and {declared.name} trains'
    )
  members = tuple(_resolve(name, m, match) for m in declared.members)
  return MixturePlan(**{**vars(declared), 'name': name, 'members': members})


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
    templates = None
  part = _in_variant(part, match)
  if match['k']:
    templates = _only(int(match['k']), part, templates, name)
  shots = _shots(match) or member.shots
  return PlanMember(part, templates, shots, part.exemplar_part)


def _only(
  template: int, part: Dataset, templates: Sequence[int] | None, name: str
) -> tuple[int]:
  """Returns one of the templates of a member that may be evaluated."""
  possible = evaluated(part.templates)
  if templates is not None:
    possible = tuple(k for k in possible if k in templates)
  if template not in possible:
    known = ', '.join(f't{k}' for k in possible)
    raise UnknownNameError(f'{name!r}: of {part.name} it has {known}')
  return (template,)


def tasks_of(name: str, training: bool = False) -> list[TaskName]:
  """Returns the tasks that the name of a task or a whole dataset stands for.

  Args:
    name: The name.
    training: Leaves out those parts of a dataset that are never trained on.

  Raises:
    UnknownNameError: there is no such task; suggests the three nearest.
  """
  base, dot, suffixes = name.partition('.')
  dataset = registry.find_dataset(base)
  if dataset is None or base in registry.parts():
    return [parse_task(name)]
  return [
    parse_task(part.name + dot + suffixes)
    for part in dataset.resolve_parts()
    if part.trains or not training
  ]


def task_names(member: PlanMember) -> list[str]:
  """Returns the tasks of a member: one, or one for each of its templates."""
  suffix = '.train_rows' if member.part.on_training_rows else ''
  suffix += f'.{member.shots}shot' if member.shots else ''
  if member.format != 'instructions':
    suffix += f'.{member.format}'
  if member.templates is None:
    return [member.part.name + suffix]
  return [f'{member.part.name}.t{k}{suffix}' for k in member.templates]
