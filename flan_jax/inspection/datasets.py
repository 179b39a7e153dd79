"""Registered datasets and mixtures, and what is prepared (no TensorFlow)."""

import collections
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import MANUAL, PREPARED, RECORDED, STATES
from flan_jax.runtime.console import wrapped

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

  `train_rows` are the recorded ones, `prepared_train_rows` those of the copies
  that are prepared. `choices` is None unless the classes are fixed.
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
    'train_rows': sum(part.rows.get('train', 0) for part in training),
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


def lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields `describe` as a tree of clusters, datasets and their subsets."""
  datasets = found['datasets']
  clusters = dict.fromkeys(dataset['cluster'] for dataset in datasets)
  counts = collections.Counter(dataset['status'] for dataset in datasets)
  states = ', '.join(f'{counts[state]} {state}' for state in STATES)
  yield f'{len(clusters)} clusters, {len(datasets)} datasets'
  yield f'{states} in {found["data_dir"]}'
  yield f'Prepare a dataset or the datasets of a mixture: {found["command"]}'
  yield ''
  yield f'{"":35}{"train rows":>10}{"templates":>11}  state'
  groups = {c: [d for d in datasets if d['cluster'] == c] for c in clusters}
  if found['extras']:
    groups[EXTRAS] = found['extras']
  for cluster, members in groups.items():
    note = ', in no mixture' if cluster == EXTRAS else ''
    yield f'{cluster} ({len(members)}){note}'
    for dataset in members:
      yield from _dataset_lines(dataset)
  yield ''
  yield f'{len(found["mixtures"])} mixtures'
  yield from wrapped(', '.join(found['mixtures']), '  ')


def _dataset_lines(dataset: Mapping[str, Any]) -> Iterator[str]:
  templates, inverted = dataset['templates'], dataset['inverted']
  numbers = f'{templates} ({inverted})'
  if isinstance(templates, list) or isinstance(inverted, list):
    numbers = 'by subset'
  state, rows = dataset['status'], dataset['prepared_train_rows']
  if state == PREPARED and rows != dataset['train_rows']:
    state = f'{PREPARED}, {rows:,} rows'
  yield (
    f'  {dataset["name"]:33}{dataset["train_rows"]:>10,}{numbers:>11}  {state}'
  )
  if len(dataset['parts']) > 1:
    parts = zip(dataset['parts'], dataset['part_status'], strict=True)
    yield from (f'    {part:52}  {state}' for part, state in parts)
  if dataset['status'] == MANUAL:
    yield from wrapped(f'download manually: {dataset["manual"]}', ' ' * 6)
