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
from flan_jax.terminal.blocks import Block, Line, Paragraph, Row, Table


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


def lines(found: Mapping[str, Any]) -> Iterator[Block]:
  """Yields `describe` as a table, cluster by cluster."""
  members = found['members']
  trains = found['purpose'] == 'train'
  verb = 'trains on' if trains else 'evaluates'
  yield Line(f'{found["mixture"]}: {verb} {len(members)} subsets', 'bold')
  if found['note']:
    yield Paragraph(f'note: {found["note"]}')
  for what in ('clusters', 'datasets'):
    if kept_out := found.get(f'excluded_{what}'):
      yield Paragraph(f'not trained on, {what}: {", ".join(kept_out)}')
  here = sum(member['status'] == PREPARED for member in members)
  yield Paragraph(
    f'{found["split"]} rows before filters; subsets counted in their files: '
    f'{here}, as recorded: {len(members) - here}; '
    f'TFDS data: {found["data_dir"]}'
  )
  if any(member['rows_from'] == ESTIMATE for member in members):
    yield '~: estimated, because a split is divided by groups of rows'
  yield ''
  rows = []
  for cluster in dict.fromkeys(member['cluster'] for member in members):
    group = [member for member in members if member['cluster'] == cluster]
    rows.append(Row([cluster, '', '', *_rate(group)], 'bold cyan'))
    rows += map(_member_row, group)
  if trains:
    rows.append(Row(['sum of rates', '', '', *_rate(members)], 'bold'))
  titles = ('', 'rows', '', *(('rate', 'share') if trains else ()))
  yield Table(titles, rows, frozenset((0, 2)), ruled=False)


def _rate(members: Sequence[Mapping[str, Any]]) -> list[str]:
  if members[0]['rate'] is None:
    return []
  rate = sum(member['rate'] for member in members)
  share = sum(member['share'] or 0 for member in members)
  return [f'{rate:,}', f'{share:.1f} %']


def _member_row(member: Mapping[str, Any]) -> Row:
  rows = f'{"~" * (member["rows_from"] == ESTIMATE)}{member["rows"]:,}'
  origin = RECORDED if member['rows_from'] == RECORDED else 'copy'
  details = []
  if member['templates'] is not None:
    details.append('templates ' + ', '.join(map(str, member['templates'])))
  if member['shots'] is None:
    details.append('no exemplars: it has no training rows')
  elif member['shots']:
    details.append(f'up to {member["shots"]} exemplars')
  if member['format'] != 'instructions':
    details.append(f'{member["format"]} format')
  note = Paragraph('; '.join(details), ' ' * 6, 'dim')
  cells = [f'  {member["part"]}', rows, origin, *_rate([member])]
  return Row(cells, note=note)
