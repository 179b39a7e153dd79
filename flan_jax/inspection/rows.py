"""Rows of a task under its templates (imports TensorFlow when it reads)."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

from flan_jax.definitions.dataset import Template, evaluated
from flan_jax.definitions.names import TaskName
from flan_jax.errors import ConfigError
from flan_jax.inspection import catalogue
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.tensorflow_start import quiet_start
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

# A template that is true for few rows is not searched for in all of a large
# dataset.
_MOST_ROWS = 1000


@dataclasses.dataclass(frozen=True)
class Wanted:
  """What is to be shown.

  Attributes:
    rows: Rows under each template.
    split: Split they are of; None for train, or test where nothing trains.
    vocabulary: 'mini' or a SentencePiece model; decides what fits.
  """

  rows: int
  split: str | None
  vocabulary: str

  def split_of(self, task: TaskName) -> str:
    """Returns the split that is read of a task.

    Raises:
      ConfigError: the task has no such rows.
    """
    split = self.split or ('train' if task.part.trains else 'test')
    if split not in task.part.splits:
      known = ', '.join(task.part.splits)
      raise ConfigError(f'{task.part.name} has no {split} rows; it has {known}')
    return split


def describe(
  name: str, tasks: Sequence[TaskName], wanted: Wanted, data_dir: str | None
) -> dict[str, Any]:
  """Renders rows of each task, as SeqIO and the cache read them.

  Args:
    name: What the user asked for.
    tasks: The tasks it stands for, each of another part.
    wanted: What is to be shown.
    data_dir: TFDS data directory; None for TFDS's default.

  Returns:
    {'task', 'data_dir', 'parts': [{'part', 'cluster', 'tfds', 'split',
    'templates': [{'task', 'template', 'group', 'inverted', 'remark',
    'input', 'target': the patterns, 'examples': [{'id', 'exemplars',
    'inputs', 'targets', 'options', 'remarks'}]}]}]}.

  Raises:
    ConfigError: a task has no rows of this split.
    MissingDataError: it is not prepared; says which command brings it.
  """
  for task in tasks:
    wanted.split_of(task)
    _check_prepared(task, data_dir)
  vocabulary = load_vocabulary(wanted.vocabulary)
  with quiet_start():
    import flan_jax.rendering.seqio_tasks  # noqa: F401
    from flan_jax.vocabulary.seqio import as_seqio

    # What it needs is made on first use.
    as_seqio(vocabulary).encode_tf('')
  return {
    'task': name,
    'data_dir': str(catalogue.data_root(data_dir)),
    'parts': [_part(task, wanted, vocabulary, data_dir) for task in tasks],
  }


def _check_prepared(task: TaskName, data_dir: str | None) -> None:
  status = catalogue.status_of(task.part, data_dir)
  if status == catalogue.PREPARED:
    return
  fetch = ''
  if status == catalogue.MANUAL:
    folder = catalogue.manual_folder(data_dir)
    fetch = f'get {task.part.manual}; put it in {folder} and '
  command = catalogue.prepare_command(task.part.name, data_dir)
  raise MissingDataError(
    f'{task.part.name} is not prepared: {task.part.source} is not in '
    f'{catalogue.data_root(data_dir)}; {fetch}run `{command}`, or bring your '
    'own rows with `flan-jax import-data`'
  )


def _part(
  task: TaskName, wanted: Wanted, vocabulary: Vocabulary, data_dir: str | None
) -> dict[str, Any]:
  split, templates = wanted.split_of(task), task.part.templates
  examples: dict[int, list] = {k: [] for k in _shown(task)}
  # Those that no row can have are not waited for.
  open_ = {k for k in examples if split == 'train' or not templates[k].inverted}
  for k, example in _examples(task, split, vocabulary, data_dir):
    if len(examples[k]) < wanted.rows:
      examples[k].append(example)
    open_ -= {k} if len(examples[k]) == wanted.rows else set()
    if not open_:
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
  """Returns the templates that the name of a task admits."""
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
    remarks.append(f'for none of the first {_MOST_ROWS} rows')
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
  """Returns one example as text, with what the lengths took away."""
  k = int(example['template'])
  remarks, exemplars = [], []
  if pool:
    about = example['id'], int(example['group']), int(example['seed'])
    # Each of them, and the query, ends a piece in the end token.
    ends = int((example['inputs'] == vocabulary.eos_id).sum())
    exemplars = pool.exemplars(k, *about)[: ends // 2]
    plural = '' if len(exemplars) == 1 else 's'
    remarks.append(f'{len(exemplars)} exemplar{plural}')
  cut = int(example['inputs_cut'])
  if cut:
    remarks.append(('truncatable shortened', 'prompt cut at its end')[cut - 1])
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
