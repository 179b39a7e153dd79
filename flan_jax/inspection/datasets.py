"""Registered datasets and mixtures, and what is prepared (no TensorFlow)."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import MANUAL, PREPARED, RECORDED, STATES
from flan_jax.terminal.blocks import Block, Line, Paragraph, Row, Table

# The cluster of datasets that the paper does not have.
EXTRAS = 'extras'


def describe(data_dir: str | None) -> dict[str, Any]:
  """Describes every dataset and names every mixture.

  Args:
    data_dir: TFDS data directory; None for the default of TFDS.

  Returns:
    {'data_dir', 'command': what prepares NAME, 'datasets': see `_describe`,
    'extras': datasets in no mixture of the paper, 'mixtures': names}.
  """
  described = [_describe(d, data_dir) for d in registry.datasets()]
  return {
    'data_dir': str(prepared.data_root(data_dir)),
    'command': prepared.prepare_command('NAME', data_dir),
    'datasets': [d for d in described if d['cluster'] != EXTRAS],
    'extras': [d for d in described if d['cluster'] == EXTRAS],
    'mixtures': [mixture.name for mixture in registry.mixtures()],
  }


def _describe(dataset: Dataset, data_dir: str | None) -> dict[str, Any]:
  """Describes a dataset; what differs between its parts is a list over them.

  `train_rows` are the recorded ones, or else counted; `prepared_train_rows`
  are those of the copies that are prepared. `choices` is None unless the
  classes are fixed.
  """
  parts = dataset.resolve_parts()
  states = [prepared.status_of(part, data_dir) for part in parts]
  # The state of the part with the most left to do.
  status = max(states, key=STATES.index)
  training = [part for part in parts if part.trains]
  rows = [prepared.rows_of(part, 'train', data_dir) for part in training]
  command = prepared.prepare_command(dataset.name, data_dir)
  return {
    'name': dataset.name,
    'cluster': dataset.cluster,
    'parts': [part.name for part in parts],
    'tfds': _shared(part.source for part in parts),
    'templates': _shared(len(part.templates) for part in parts),
    'inverted': _shared(sum(t.inverted for t in p.templates) for p in parts),
    'choices': _shared(part.choices and dict(part.choices) for part in parts),
    'metrics': _shared(list(part.metrics) for part in parts),
    'train_rows': sum(
      part.rows.get('train', found.count)
      for part, found in zip(training, rows, strict=True)
    ),
    'prepared_train_rows': sum(r.count for r in rows if r.origin != RECORDED),
    'status': status,
    'part_status': states,
    'command': None if status == PREPARED else command,
    'manual': dataset.manual,
  }


def _shared(values: Iterable[Any]) -> Any:
  """Returns the value that all parts have, else the list of them."""
  values = list(values)
  return values[0] if all(v == values[0] for v in values) else values


# What is not prepared is less bright on a terminal.
_STYLES = {PREPARED: '', MANUAL: 'yellow'}


def lines(found: Mapping[str, Any]) -> Iterator[Block]:
  """Yields `describe` as a tree of clusters, datasets and their subsets."""
  datasets = found['datasets']
  clusters = dict.fromkeys(dataset['cluster'] for dataset in datasets)
  counts = collections.Counter(dataset['status'] for dataset in datasets)
  states = ', '.join(f'{counts[state]} {state}' for state in STATES)
  yield Line(f'{len(clusters)} clusters, {len(datasets)} datasets', 'bold')
  yield f'{states} in {found["data_dir"]}'
  yield f'Prepare a dataset or the datasets of a mixture: {found["command"]}'
  yield ''
  groups = {c: [d for d in datasets if d['cluster'] == c] for c in clusters}
  if found['extras']:
    groups[EXTRAS] = found['extras']
  rows = []
  for cluster, members in groups.items():
    note = ', in no mixture' if cluster == EXTRAS else ''
    rows.append(Row([f'{cluster} ({len(members)}){note}'], 'bold cyan'))
    for dataset in members:
      rows += _dataset_rows(dataset)
  titles = ('', 'train rows', 'templates', 'state')
  yield Table(titles, rows, frozenset((0, 3)), ruled=False)
  yield ''
  yield f'{len(found["mixtures"])} mixtures'
  yield Paragraph(', '.join(found['mixtures']), '  ')


def _dataset_rows(dataset: Mapping[str, Any]) -> Iterator[Row]:
  templates, inverted = dataset['templates'], dataset['inverted']
  numbers = f'{templates} ({inverted})'
  if isinstance(templates, list) or isinstance(inverted, list):
    numbers = 'by subset'
  status, count = dataset['status'], dataset['prepared_train_rows']
  state = status
  if status == PREPARED and count != dataset['train_rows']:
    state = f'{PREPARED}, {count:,} rows'
  name, parts = f'  {dataset["name"]}', []
  if len(dataset['parts']) > 1:
    parts = list(zip(dataset['parts'], dataset['part_status'], strict=True))
  rows = [((name, f'{dataset["train_rows"]:,}', numbers, state), status)]
  rows += [((f'    {part}', '', '', own), own) for part, own in parts]
  manual = None
  if status == MANUAL:
    text = f'download manually: {dataset["manual"]}'
    if not dataset['manual']:
      text = f'there is no such file: {dataset["tfds"]}'
    manual = Paragraph(text, ' ' * 6, 'yellow')
  for number, (cells, own) in enumerate(rows, 1):
    note = manual if number == len(rows) else None
    yield Row(cells, _STYLES.get(own, 'dim'), note)
