"""The grammar of task names: `dataset[:part][.tK][.all][.rank]`."""

import dataclasses
import re

from flan_jax.data import registry
from flan_jax.data.dataset import Dataset, evaluated
from flan_jax.data.registry import UnknownNameError

_NAME = re.compile(
  r'^(?P<part>[\w:]+?)(?:\.t(?P<k>\d+))?(?P<all>\.all)?'
  r'(?P<rank>\.rank)?$'
)


@dataclasses.dataclass(frozen=True)
class TaskName:
  """A parsed task name.

  Attributes:
    name: The name as given.
    dataset: The dataset it belongs to.
    part: The resolved part.
    template: K of `.tK`, or None.
    every: `.all`: every (row, admissible template).
    rank: `.rank`: one example an option.
  """

  name: str
  dataset: Dataset
  part: Dataset
  template: int | None = None
  every: bool = False
  rank: bool = False


def parse_task(name: str) -> TaskName:
  """Parses a task name.

  >>> from flan_jax.data import registry
  >>> registry.load()
  >>> task = parse_task('anli:anli_r1.t3.rank')
  >>> task.part.name, task.template, task.rank
  ('anli_r1', 3, True)

  Raises:
    UnknownNameError: unknown part (names the three nearest), no such
      template, or a suffix that does not fit.
  """
  match = _NAME.match(name)
  if not match:
    raise UnknownNameError(
      f'{name!r} is no task name; the grammar is '
      f'dataset[:part][.tK][.all][.rank]{registry.nearest(name)}'
    )
  dataset, part = registry.find_part(match['part'])
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
  return TaskName(
    name=name,
    dataset=dataset,
    part=part,
    template=template,
    every=bool(match['all']),
    rank=bool(match['rank']),
  )


def members(name: str) -> tuple[registry.Member, ...]:
  """Returns the members of a mixture, or of a task taken as a mixture.

  A dataset of several parts, named as a whole, stands for those that train.

  Raises:
    UnknownNameError: unknown name (names the three nearest).
  """
  for mixture in registry.mixtures():
    if mixture.name == name:
      return mixture.members
  for dataset in registry.datasets():
    if dataset.name == name and name not in registry.parts():
      return tuple(
        registry.Member(part.name)
        for part in dataset.resolve_parts()
        if part.trains
      )
  task = parse_task(name)
  templates = None if task.template is None else (task.template,)
  return (registry.Member(task.part.name, templates),)
