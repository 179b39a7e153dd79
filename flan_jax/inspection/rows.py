"""The rows of a task under each of its templates; reading uses TensorFlow."""

from collections.abc import Iterator, Mapping
import json
from typing import Any

from flan_jax.definitions import names
from flan_jax.definitions.dataset import Dataset, Template, evaluated
from flan_jax.definitions.names import TaskName
from flan_jax.errors import ConfigError
from flan_jax.inspection import prepared
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.tensorflow_start import quiet_start
from flan_jax.sources.arrow_tables import read_tables
from flan_jax.sources.table_files import find_files, is_table, missing_files
from flan_jax.terminal.blocks import Block, Paragraph
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import MINI, load_vocabulary

# Rows that are searched for those that a template applies to.
MOST_ROWS = 1000


def describe(
  name: str,
  data_dir: str | None,
  rows: int = 2,
  split: str | None = None,
  vocabulary: str = MINI,
) -> dict[str, Any]:
  """Renders rows of a task or dataset, as SeqIO and the cache do.

  Args:
    name: The name of a task, or of a dataset for all its parts.
    data_dir: TFDS data directory; None for the default of TFDS.
    rows: Rows under each template.
    split: Their split; None for train, or test if there is no train.
    vocabulary: VOCABULARY, which decides what fits.

  Returns:
    {'task', 'data_dir', 'parts': [{'part', 'cluster', 'tfds', 'split',
    'features', 'rows', 'left_out': what files hold, see `_table`; None for
    TFDS, 'templates': [{'task', 'template', 'group', 'inverted', 'remark',
    'input', 'target': the patterns, 'examples': [{'id', 'exemplars',
    'inputs', 'targets', 'options', 'remarks'}]}]}]}.

  Raises:
    ConfigError: a task does not have the split.
    MissingDataError: a task is not prepared; names the command to run.
  """
  tasks = names.tasks_of(name)
  splits = [_split_of(task.part, split) for task in tasks]
  for task in tasks:
    _check_prepared(task.part, data_dir)
  loaded = load_vocabulary(vocabulary)
  with quiet_start():
    import flan_jax.rendering.seqio_tasks  # noqa: F401
    from flan_jax.vocabulary.seqio import as_seqio

    # Loads its libraries.
    as_seqio(loaded).encode_tf('')
  return {
    'task': name,
    'data_dir': str(prepared.data_root(data_dir)),
    'parts': [
      _part(task, own, rows, loaded, data_dir)
      for task, own in zip(tasks, splits, strict=True)
    ],
  }


def _split_of(part: Dataset, split: str | None) -> str:
  split = split or ('train' if part.trains else 'test')
  if split not in part.splits:
    known = ', '.join(part.splits)
    raise ConfigError(f'{part.name} has no {split} rows; it has {known}')
  return split


def _check_prepared(part: Dataset, data_dir: str | None) -> None:
  status = prepared.status_of(part, data_dir)
  if status == prepared.PREPARED:
    return
  if is_table(part.source):
    raise MissingDataError(missing_files(part.source, part.name, data_dir))
  first = ''
  if status == prepared.MANUAL:
    first = f'download {part.manual} to {prepared.manual_folder(data_dir)} and '
  command = prepared.prepare_command(part.name, data_dir)
  raise MissingDataError(
    f'{part.name} is not prepared: {part.source} is not in '
    f'{prepared.data_root(data_dir)}; {first}run `{command}`, or bring your '
    'own rows with `flan-jax import-data`'
  )


def _part(
  task: TaskName,
  split: str,
  rows: int,
  vocabulary: Vocabulary,
  data_dir: str | None,
) -> dict[str, Any]:
  part = task.part
  examples: dict[int, list] = {k: [] for k in _shown(task)}
  # Inverted templates are not evaluated.
  pending = {
    k for k in examples if split == 'train' or not part.templates[k].inverted
  }
  for k, example in _examples(task, split, vocabulary, data_dir):
    if len(examples[k]) < rows:
      examples[k].append(example)
    if len(examples[k]) == rows:
      pending.discard(k)
    if not pending:
      break
  return {
    'part': part.name,
    'cluster': part.cluster,
    'tfds': part.source,
    'split': split,
    **_table(part, data_dir),
    'templates': [
      _template(task, k, found, lacks_rows=k in pending and not found)
      for k, found in examples.items()
    ],
  }


def _table(part: Dataset, data_dir: str | None) -> dict[str, Any]:
  """Returns what was found in files: columns, their types, and split sizes."""
  from flan_jax.rendering.source import SplitSource

  if not is_table(part.source):
    return {'features': None, 'rows': None, 'left_out': None}
  source = SplitSource(part, data_dir)
  tables = read_tables(find_files(part.source, data_dir))
  return {
    'features': tables.features,
    'rows': {
      name: {
        'count': source.num_input_examples(name),
        'reason': source.slices[name].reason,
      }
      for name in source.slices
    },
    'left_out': dict(tables.left_out),
  }


def _shown(task: TaskName) -> tuple[int, ...]:
  """Returns the templates that the name of a task selects."""
  if task.template is not None:
    return (task.template,)
  if task.rank:
    return evaluated(task.part.templates)
  return tuple(range(len(task.part.templates)))


def _template(
  task: TaskName, k: int, examples: list, lacks_rows: bool
) -> dict[str, Any]:
  template = task.part.templates[k]
  base, *suffixes = task.name.split('.')
  if task.template is None:
    suffixes = [f't{k}', *(s for s in suffixes if s != 'all')]
  remarks = template_remarks(template)
  if lacks_rows:
    remarks.append(f'applies to none of the first {MOST_ROWS} rows')
  return {
    'task': '.'.join([base, *suffixes]),
    'template': k,
    'group': template.group,
    'inverted': template.inverted,
    'remark': '; '.join(remarks),
    'input': template.input,
    'target': template.target,
    'examples': examples,
  }


def template_remarks(template: Template) -> list[str]:
  """Returns in words which rows a template is for."""
  remarks = []
  if template.inverted:
    remarks.append('inverted: trained on, never evaluated')
  if isinstance(template.only_if, tuple):
    remarks.append(f'only for {", ".join(template.only_if)}')
  elif template.only_if:
    remarks.append('for some rows only')
  return remarks


def _examples(
  task: TaskName, split: str, vocabulary: Vocabulary, data_dir: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (template, example) for the first rows, row by row."""
  from flan_jax.rendering import render, seqio_tasks
  from flan_jax.rendering.source import SplitSource

  rows = SplitSource(task.part, data_dir).get_dataset(split, shuffle=False)
  rows = rows.take(MOST_ROWS)
  examples = render.render_rows(rows, task.part, _shown(task), every=True)
  examples = render.tokenize_rows(examples, task.part, vocabulary)
  pool = None
  if task.shots:
    exemplars = SplitSource(task.part.exemplar_part, data_dir)
    pool = seqio_tasks.ExemplarPool(exemplars, task.shots)
    examples = seqio_tasks.add_exemplars(examples, pool, vocabulary)
  for example in examples.as_numpy_iterator():
    yield int(example['template']), _example(example, task, pool, vocabulary)


def _example(example, task: TaskName, pool, vocabulary) -> dict[str, Any]:
  """Returns an example as text, with remarks on what was cut."""
  from flan_jax.rendering import seqio_tasks

  k = int(example['template'])
  remarks, exemplars, query = [], [], 'inputs_pretokenized'
  if pool:
    query = seqio_tasks.QUERY
    about = example['id'], int(example['group']), int(example['seed'])
    # The input and the target of each exemplar end with the end token.
    ends = int((example['inputs'] == vocabulary.eos_id).sum())
    exemplars = pool.exemplars(k, *about)[: ends // 2]
    plural = '' if len(exemplars) == 1 else 's'
    remarks.append(f'{len(exemplars)} exemplar{plural}')
  remarks += cut_remarks(int(example['inputs_cut']), example['targets_cut'])
  options = ()
  if task.rank:
    options = zip(example['options'], example['correct'], strict=True)
  return {
    'id': example['id'].decode(),
    'exemplars': [list(pair) for pair in exemplars],
    'inputs': example[query].decode(),
    'targets': example['targets_pretokenized'].decode(),
    'options': [
      {'words': words.decode(), 'correct': bool(correct)}
      for words, correct in options
    ],
    'remarks': remarks,
  }


def cut_remarks(inputs_cut: int, targets_cut: bool) -> list[str]:
  """Returns in words what `render.fit_rows` cut."""
  remarks = ['input shortened', 'prompt cut at its end'][:inputs_cut][-1:]
  return [*remarks, 'target cut'] if targets_cut else remarks


def lines(found: Mapping[str, Any]) -> Iterator[Block]:
  """Yields `describe` as text, template by template."""
  yield '|: prompt, >: answer, x: wrong option of .rank'
  for part in found['parts']:
    about = f'{part["part"]} ({part["cluster"]})'
    yield f'{about}: {part["split"]} rows of {part["tfds"]}'
    if part['features'] is None:
      yield f'in {found["data_dir"]}'
    else:
      yield from _table_lines(part)
    for template in part['templates']:
      yield ''
      remarks = '; '.join(filter(None, (template['group'], template['remark'])))
      yield template['task'] + (f' ({remarks})' if remarks else '')
      for example in template['examples']:
        yield ''
        yield from _example_lines(example)
    yield ''


def _table_lines(part: Mapping[str, Any]) -> Iterator[Block]:
  columns = [f'{name} {json.dumps(t)}' for name, t in part['features'].items()]
  yield Paragraph(f'columns: {", ".join(columns)}')
  if part['left_out']:
    kinds = [f'{name} ({kind})' for name, kind in part['left_out'].items()]
    yield Paragraph(f'columns of other types, left out: {", ".join(kinds)}')
  for split, about in part['rows'].items():
    reason = f' ({about["reason"]})' if about['reason'] else ''
    yield Paragraph(f'{split}: {about["count"]:,} rows{reason}')


def _example_lines(example: Mapping[str, Any]) -> Iterator[str]:
  yield '  ' + ', '.join([f'row {example["id"]}', *example['remarks']])
  for inputs, targets in example['exemplars']:
    yield from _marked('|', inputs)
    yield from _marked('>', targets)
  yield from _marked('|', example['inputs'])
  if not example['options']:
    yield from _marked('>', example['targets'])
  for option in example['options']:
    yield from _marked('>' if option['correct'] else 'x', option['words'])


def _marked(mark: str, text: str) -> Iterator[str]:
  yield from (f'  {mark} {line}'.rstrip() for line in text.split('\n'))
