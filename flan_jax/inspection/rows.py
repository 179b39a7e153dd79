"""The rows of a task under each of its templates; reading uses TensorFlow."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.definitions.dataset import Template, evaluated
from flan_jax.definitions.names import TaskName
from flan_jax.errors import ConfigError
from flan_jax.inspection.prepared import (
  MANUAL,
  PREPARED,
  data_root,
  manual_folder,
  prepare_command,
  status_of,
)
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.tensorflow_start import quiet_start
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

# Rows that are searched for those that a template applies to.
_MOST_ROWS = 1000


@dataclasses.dataclass(frozen=True)
class Wanted:
  """The rows to show.

  Attributes:
    rows: Rows under each template.
    split: Their split; None for train, or test if there is no train.
    vocabulary: VOCABULARY, which decides what fits.
  """

  rows: int
  split: str | None
  vocabulary: str

  def split_of(self, task: TaskName) -> str:
    """Returns the split of a task to read.

    Raises:
      ConfigError: the task does not have the split.
    """
    split = self.split or ('train' if task.part.trains else 'test')
    if split not in task.part.splits:
      known = ', '.join(task.part.splits)
      raise ConfigError(f'{task.part.name} has no {split} rows; it has {known}')
    return split


def describe(
  name: str, tasks: Sequence[TaskName], wanted: Wanted, data_dir: str | None
) -> dict[str, Any]:
  """Renders rows of each task, as SeqIO and the cache do.

  Args:
    name: The name that the user gave.
    tasks: The tasks that it stands for, one for each part.
    wanted: The rows to show.
    data_dir: TFDS data directory; None for the default of TFDS.

  Returns:
    {'task', 'data_dir', 'parts': [{'part', 'cluster', 'tfds', 'split',
    'templates': [{'task', 'template', 'group', 'inverted', 'remark',
    'input', 'target': the patterns, 'examples': [{'id', 'exemplars',
    'inputs', 'targets', 'options', 'remarks'}]}]}]}.

  Raises:
    ConfigError: a task does not have the split.
    MissingDataError: a task is not prepared; names the command to run.
  """
  for task in tasks:
    wanted.split_of(task)
    _check_prepared(task, data_dir)
  vocabulary = load_vocabulary(wanted.vocabulary)
  with quiet_start():
    import flan_jax.rendering.seqio_tasks  # noqa: F401
    from flan_jax.vocabulary.seqio import as_seqio

    # Loads its libraries.
    as_seqio(vocabulary).encode_tf('')
  return {
    'task': name,
    'data_dir': str(data_root(data_dir)),
    'parts': [_part(task, wanted, vocabulary, data_dir) for task in tasks],
  }


def _check_prepared(task: TaskName, data_dir: str | None) -> None:
  status = status_of(task.part, data_dir)
  if status == PREPARED:
    return
  first = ''
  if status == MANUAL:
    folder = manual_folder(data_dir)
    first = f'download {task.part.manual} to {folder} and '
  command = prepare_command(task.part.name, data_dir)
  raise MissingDataError(
    f'{task.part.name} is not prepared: {task.part.source} is not in '
    f'{data_root(data_dir)}; {first}run `{command}`, or bring your '
    'own rows with `flan-jax import-data`'
  )


def _part(
  task: TaskName, wanted: Wanted, vocabulary: Vocabulary, data_dir: str | None
) -> dict[str, Any]:
  split, templates = wanted.split_of(task), task.part.templates
  examples: dict[int, list] = {k: [] for k in _shown(task)}
  # Inverted templates have no rows to be evaluated.
  pending = {
    k for k in examples if split == 'train' or not templates[k].inverted
  }
  for k, example in _examples(task, split, vocabulary, data_dir):
    if len(examples[k]) < wanted.rows:
      examples[k].append(example)
    pending -= {k} if len(examples[k]) == wanted.rows else set()
    if not pending:
      break
  return {
    'part': task.part.name,
    'cluster': task.part.cluster,
    'tfds': task.part.source,
    'split': split,
    'templates': [
      _template(task, k, split, found) for k, found in examples.items()
    ],
  }


def _shown(task: TaskName) -> tuple[int, ...]:
  """Returns the templates that the name of a task selects."""
  if task.template is not None:
    return (task.template,)
  if task.rank:
    return evaluated(task.part.templates)
  return tuple(range(len(task.part.templates)))


def _template(
  task: TaskName, k: int, split: str, examples: list
) -> dict[str, Any]:
  template = task.part.templates[k]
  base, *suffixes = task.name.split('.')
  if task.template is None:
    suffixes = [f't{k}', *(s for s in suffixes if s != 'all')]
  return {
    'task': '.'.join([base, *suffixes]),
    'template': k,
    'group': template.group,
    'inverted': template.inverted,
    'remark': _remark(template, split, examples),
    'input': template.input,
    'target': template.target,
    'examples': examples,
  }


def _remark(template: Template, split: str, examples: list) -> str:
  remarks = []
  if template.inverted:
    remarks.append('inverted: trained on, never evaluated')
  if isinstance(template.only_if, tuple):
    remarks.append(f'only for {", ".join(template.only_if)}')
  elif template.only_if:
    remarks.append('for some rows only')
  if not examples and (split == 'train' or not template.inverted):
    remarks.append(f'applies to none of the first {_MOST_ROWS} rows')
  return '; '.join(remarks)


def _examples(
  task: TaskName, split: str, vocabulary: Vocabulary, data_dir: str | None
) -> Iterator[tuple[int, dict[str, Any]]]:
  """Yields (template, example) for the first rows, row by row."""
  from flan_jax.rendering import render, seqio_tasks
  from flan_jax.rendering.source import SplitSource

  source = SplitSource(task.part, data_dir)
  rows = source.get_dataset(split, shuffle=False)
  examples = render.render_rows(
    rows.take(_MOST_ROWS), task.part, _shown(task), every=True
  )
  examples = render.tokenize_rows(examples, task.part, vocabulary)
  pool = None
  if task.shots:
    pool = seqio_tasks.ExemplarPool(
      SplitSource(task.part.exemplar_part, data_dir), task.shots
    )
    examples = seqio_tasks.add_exemplars(examples, pool, vocabulary)
  for example in examples.as_numpy_iterator():
    yield int(example['template']), _example(example, task, pool, vocabulary)


def _example(example, task: TaskName, pool, vocabulary) -> dict[str, Any]:
  """Returns an example as text, with remarks on what was cut."""
  k = int(example['template'])
  remarks, exemplars = [], []
  if pool:
    about = example['id'], int(example['group']), int(example['seed'])
    # The input and the target of each exemplar end with the end token.
    ends = int((example['inputs'] == vocabulary.eos_id).sum())
    exemplars = pool.exemplars(k, *about)[: ends // 2]
    plural = '' if len(exemplars) == 1 else 's'
    remarks.append(f'{len(exemplars)} exemplar{plural}')
  cut = int(example['inputs_cut'])
  if cut:
    remarks.append(('input shortened', 'prompt cut at its end')[cut - 1])
  if example['targets_cut']:
    remarks.append('target cut')
  options = zip(example['options'], example['correct'], strict=True)
  return {
    'id': example['id'].decode(),
    'exemplars': [list(pair) for pair in exemplars],
    'inputs': example['inputs_pretokenized'].decode(),
    'targets': example['targets_pretokenized'].decode(),
    'options': [
      {'words': words.decode(), 'correct': bool(correct)}
      for words, correct in options
      if task.rank
    ],
    'remarks': remarks,
  }


def lines(found: Mapping[str, Any]) -> Iterator[str]:
  """Yields `describe` as text, template by template."""
  yield '|: prompt, >: answer, x: wrong option of .rank'
  for part in found['parts']:
    yield (
      f'{part["part"]} ({part["cluster"]}): {part["split"]} rows of '
      f'{part["tfds"]}'
    )
    yield f'in {found["data_dir"]}'
    for template in part['templates']:
      yield ''
      remarks = '; '.join(filter(None, (template['group'], template['remark'])))
      yield template['task'] + (f' ({remarks})' if remarks else '')
      for example in template['examples']:
        yield ''
        yield from _example_lines(example)
    yield ''


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
