"""What `flan-jax inspect` finds, as text for a terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flan_jax.inspection import catalogue
from flan_jax.inspection.catalogue import ESTIMATE, MANUAL, PREPARED, RECORDED
from flan_jax.runtime.console import wrapped


def _by_cluster(items: Sequence[Mapping]) -> dict[str, list[Mapping]]:
  found: dict[str, list[Mapping]] = {}
  for item in items:
    found.setdefault(item['cluster'], []).append(item)
  return found


def registry_lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields the tree of clusters, datasets and parts."""
  datasets = found['datasets']
  clusters = _by_cluster(datasets)
  counts = [
    f'{sum(d["status"] == state for d in datasets)} {state}'
    for state in catalogue.STATES
  ]
  yield f'{len(clusters)} clusters, {len(datasets)} datasets'
  yield f'{", ".join(counts)} in {found["data_dir"]}'
  yield f'to bring those of a dataset or a mixture: {found["command"]}'
  yield ''
  yield f'{"":35}{"train rows":>10}{"templates":>11}  state'
  for cluster, members in clusters.items():
    yield f'{cluster} ({len(members)})'
    for dataset in members:
      yield from _dataset_lines(dataset)
  if found['extras']:
    yield f'{catalogue.EXTRAS} ({len(found["extras"])}), in no mixture'
    for dataset in found['extras']:
      yield from _dataset_lines(dataset)
  yield ''
  yield f'{len(found["mixtures"])} mixtures'
  yield from wrapped(', '.join(found['mixtures']), '  ')


def _dataset_lines(dataset: Mapping[str, Any]) -> Iterator[str]:
  templates, inverted = dataset['templates'], dataset['inverted']
  if isinstance(templates, list) or isinstance(inverted, list):
    numbers = 'by part'
  else:
    numbers = f'{templates} ({inverted})'
  yield (
    f'  {dataset["name"]:33}{dataset["train_rows"]:>10,}{numbers:>11}'
    f'  {_state(dataset)}'
  )
  parts = zip(dataset['parts'], dataset['part_status'], strict=True)
  if len(dataset['parts']) > 1:
    for part, state in parts:
      yield f'    {part:52}  {state}'
  if dataset['status'] == MANUAL:
    yield from wrapped(f'by hand: {dataset["manual"]}', ' ' * 6)


def _state(dataset: Mapping[str, Any]) -> str:
  here, recorded = dataset['prepared_train_rows'], dataset['train_rows']
  if dataset['status'] == PREPARED and here != recorded:
    return f'{PREPARED}, {here:,} rows'
  return dataset['status']


def mixture_lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields the members of a mixture, cluster by cluster."""
  members = found['members']
  trains = found['purpose'] == 'train'
  verb = 'trains on' if trains else 'evaluates'
  yield f'{found["mixture"]}: {verb} {len(members)} parts'
  if found['note']:
    yield from wrapped(f'note: {found["note"]}', '')
  for what in ('clusters', 'datasets'):
    if names_out := found.get(f'excluded_{what}'):
      yield from wrapped(f'not trained on, {what}: {", ".join(names_out)}', '')
  here = sum(member['status'] == PREPARED for member in members)
  yield from wrapped(
    f'{found["split"]} rows before filters: those of the copy in '
    f'{found["data_dir"]} for {here} parts, recorded ones for '
    f'{len(members) - here}',
    '',
  )
  if any(member['rows_from'] == ESTIMATE for member in members):
    yield '~: about, a split of the copy is divided by groups of rows'
  yield ''
  columns = f'{"rate":>10}{"share":>9}' if trains else ''
  yield f'{"":35}{"rows":>10}{"":13}{columns}'.rstrip()
  for cluster, group in _by_cluster(members).items():
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
  if details:
    yield from wrapped('; '.join(details), ' ' * 6)


def task_lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields the rows of a task under each of its templates."""
  yield '|: what is asked, >: what is answered, x: a wrong option of .rank'
  for part in found['parts']:
    yield (
      f'{part["part"]} ({part["cluster"]}): {part["split"]} rows of '
      f'{part["tfds"]}'
    )
    yield f'in {found["data_dir"]}'
    for template in part['templates']:
      yield ''
      about = [template['group'], template['remark']]
      remarks = '; '.join(filter(None, about))
      yield template['task'] + (f' ({remarks})' if remarks else '')
      for example in template['examples']:
        yield ''
        yield from _example_lines(example)
    yield ''


def _example_lines(example: Mapping[str, Any]) -> Iterator[str]:
  """Yields an example as it is read, its exemplars first."""
  yield '  ' + ', '.join([f'row {example["id"]}', *example['remarks']])
  for inputs, targets in example['exemplars']:
    yield from _marked('|', inputs)
    yield from _marked('>', targets)
  yield from _marked('|', example['inputs'])
  if not example['options']:
    yield from _marked('>', example['targets'])
  for option in example['options']:
    mark = '>' if option['correct'] else 'x'
    yield from _marked(mark, option['words'])


def _marked(mark: str, text: str) -> Iterator[str]:
  for line in text.split('\n'):
    yield f'  {mark} {line}'.rstrip()
