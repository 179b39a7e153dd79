"""The members of a mixture, their rows and mixing rates (no TensorFlow)."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flan_jax.definitions import names, registry
from flan_jax.definitions.mixture_plan import (
  MixturePlan,
  PlanMember,
  mixing_rate,
)
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import ESTIMATE, PREPARED, RECORDED
from flan_jax.runtime.console import wrapped


def describe(plan: MixturePlan, data_dir: str | None) -> dict[str, Any]:
  """Describes the members of a mixture, and what it keeps out.

  Args:
    plan: A mixture.
    data_dir: TFDS data directory; None for the default of TFDS.

  Returns:
    {'mixture', 'purpose', 'held_out', 'note', 'data_dir', 'split': whose rows
    are counted, 'members': see `_describe`, 'sum_of_rates'}; for a training
    mixture also 'excluded_clusters' and 'excluded_datasets'. An evaluation has
    no rates: they are None, as are their sum and the shares (in percent).
  """
  trains = plan.purpose == 'train'
  split = 'train' if trains else 'test'
  members = [_describe(member, split, data_dir) for member in plan.members]
  total = sum(member['rate'] or 0 for member in members)
  for member in members:
    member['share'] = 100 * member['rate'] / total if total else None
  return {
    'mixture': plan.name,
    'purpose': plan.purpose,
    'held_out': plan.held_out,
    'note': plan.note,
    'data_dir': str(prepared.data_root(data_dir)),
    'split': split,
    'members': members,
    'sum_of_rates': total if trains else None,
    **(_kept_out(plan) if trains else {}),
  }


def _describe(
  member: PlanMember, split: str, data_dir: str | None
) -> dict[str, Any]:
  """Describes a member.

  `shots` is None if there are no training rows to take exemplars from. `rate`
  is the number of draws per mixture epoch.
  """
  part = member.part
  rows = prepared.rows_of(part, split, data_dir)
  lacks_exemplars = member.shots and member.exemplar_part is None
  return {
    'part': part.name,
    'dataset': part.dataset.name,
    'cluster': part.cluster,
    'templates': member.templates and list(member.templates),
    'shots': None if lacks_exemplars else member.shots,
    'format': member.format,
    'status': prepared.status_of(part, data_dir),
    'rows': rows.count,
    'rows_from': rows.origin,
    'rate': mixing_rate(rows.count) if split == 'train' else None,
  }


def _kept_out(plan: MixturePlan) -> dict[str, list[str]]:
  """Returns what a hold-out leaves out of all that hold-outs train on.

  Datasets are listed unless their whole cluster is left out.
  """
  if plan.held_out is None:
    return {'excluded_clusters': [], 'excluded_datasets': []}
  trained = {member.dataset.name for member in plan.members}
  clusters = {member.part.cluster for member in plan.members}
  universe = {
    member.dataset.name
    for mixture in registry.mixtures()
    if mixture.held_out and mixture.purpose == 'train'
    for member in names.resolve(mixture.name).members
  }
  out = [d for d in registry.datasets() if d.name in universe - trained]
  closed = dict.fromkeys(d.cluster for d in out if d.cluster not in clusters)
  return {
    'excluded_clusters': list(closed),
    'excluded_datasets': [d.name for d in out if d.cluster in clusters],
  }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields `describe` as a table, cluster by cluster."""
  members = found['members']
  trains = found['purpose'] == 'train'
  verb = 'trains on' if trains else 'evaluates'
  yield f'{found["mixture"]}: {verb} {len(members)} subsets'
  if found['note']:
    yield from wrapped(f'note: {found["note"]}')
  for what in ('clusters', 'datasets'):
    if kept_out := found.get(f'excluded_{what}'):
      yield from wrapped(f'not trained on, {what}: {", ".join(kept_out)}')
  here = sum(member['status'] == PREPARED for member in members)
  yield from wrapped(
    f'{found["split"]} rows before filters: {here} subsets as prepared in '
    f'{found["data_dir"]}, {len(members) - here} as recorded'
  )
  if any(member['rows_from'] == ESTIMATE for member in members):
    yield '~: estimated, because a split is divided by groups of rows'
  yield ''
  columns = f'{"rate":>10}{"share":>9}' if trains else ''
  yield f'{"":35}{"rows":>10}{"":13}{columns}'.rstrip()
  for cluster in dict.fromkeys(member['cluster'] for member in members):
    group = [member for member in members if member['cluster'] == cluster]
    yield f'{cluster:58}{_rate(group)}'.rstrip()
    for member in group:
      yield from _member_lines(member)
  if trains:
    yield f'{"sum of rates":58}{_rate(members)}'


def _rate(members: Sequence[Mapping[str, Any]]) -> str:
  if members[0]['rate'] is None:
    return ''
  rate = sum(member['rate'] for member in members)
  share = sum(member['share'] or 0 for member in members)
  return f'{rate:>10,}{share:>7.1f} %'


def _member_lines(member: Mapping[str, Any]) -> Iterator[str]:
  rows = f'{"~" * (member["rows_from"] == ESTIMATE)}{member["rows"]:,}'
  origin = RECORDED if member['rows_from'] == RECORDED else 'copy'
  line = f'  {member["part"]:33}{rows:>10}  {origin:11}{_rate([member])}'
  yield line.rstrip()
  details = []
  if member['templates'] is not None:
    details.append('templates ' + ', '.join(map(str, member['templates'])))
  if member['shots'] is None:
    details.append('no exemplars: it has no training rows')
  elif member['shots']:
    details.append(f'up to {member["shots"]} exemplars')
  if member['format'] != 'instructions':
    details.append(f'{member["format"]} format')
  yield from wrapped('; '.join(details), ' ' * 6)
