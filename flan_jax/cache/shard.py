"""Writes one shard of a cached split: the work that is spread over workers.

Imports TensorFlow. A task carries all that it needs, so that a worker on
another machine needs neither the registry nor the configuration.
"""

from collections.abc import Iterable
import dataclasses
import json
import pathlib
import socket
from typing import IO, Any

import numpy as np
import tensorflow as tf

from flan_jax import __version__
from flan_jax.cache import cached_split, storage
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import SplitKey
from flan_jax.definitions.dataset import ANSWER_TARGET
from flan_jax.definitions.digests import file_digest
from flan_jax.rendering.render import fit_rows, render_rows
from flan_jax.rendering.source import SplitSource
from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

# What a rendering keeps of its row besides the tokens.
_KEPT = (
  'id',
  'group',
  'item',
  'template',
  'options',
  'correct',
  'answers',
  'class',
  'score',
)


@dataclasses.dataclass(frozen=True)
class ShardTask:
  """One shard to write.

  Attributes:
    folder: Folder of the split.
    key: The split.
    config: Lengths, prompt format and the TFDS data directory.
    vocabulary: The path that `load_vocabulary` opens.
    index: Number of the shard.
    count: Shards of the split.
    start: First row of the split's slice to read.
    stop: One past the last row.
    per_row: Most renderings of a row; None for all.
    version: Version of flan_jax that planned the task.
  """

  folder: str
  key: SplitKey
  config: CacheConfig
  vocabulary: str
  index: int
  count: int
  start: int
  stop: int
  per_row: int | None
  version: str = __version__

  @property
  def name(self) -> str:
    return cached_split.shard_name(self.index, self.count)

  @property
  def rows(self) -> int:
    return self.stop - self.start

  @property
  def renderings(self) -> int:
    """The most renderings that the shard can have."""
    templates = len(self.key.templates or self.key.part.templates)
    return self.rows * min(self.per_row or templates, templates)


def write_shard(task: ShardTask) -> dict[str, Any]:
  """Writes a shard unless it is complete; returns what shard.json holds.

  Raises:
    CacheError: this worker has another version than the driver.
  """
  if task.version != __version__:
    raise storage.CacheError(
      f'{socket.gethostname()} has flan_jax {__version__}, the driver '
      f'{task.version}: install the same version on all workers'
    )
  target = user_path(task.folder) / task.name
  done = storage.read_json(target / cached_split.SHARD)
  if done is not None:
    return done
  with storage.new_folder(target) as folder:
    return _write_files(task, folder)


def _write_files(task: ShardTask, folder: pathlib.Path) -> dict[str, Any]:
  vocabulary = load_vocabulary(task.vocabulary)
  with (
    open(folder / cached_split.TOKENS, 'wb') as tokens,
    open(folder / cached_split.ROWS, 'w', encoding='utf-8') as rows,
  ):
    writer = _ShardWriter(task, vocabulary, tokens, rows)
    for example in _examples(task, vocabulary):
      writer.add(example)
    writer.end_row()
  summary = {'name': task.name, 'counts': writer.finish(folder)}
  summary['files'] = {
    name: {
      'bytes': (folder / name).stat().st_size,
      'sha256': file_digest(folder / name),
    }
    for name in cached_split.FILES
  }
  path = folder / cached_split.SHARD
  path.write_text(json.dumps(summary), encoding='utf-8')
  return summary


def _examples(
  task: ShardTask, vocabulary: Vocabulary
) -> Iterable[dict[str, Any]]:
  """Yields the renderings of a shard; those of a row are consecutive."""
  part = task.key.part
  rows = SplitSource(part, task.config.data_dir).get_dataset(
    task.key.split, shuffle=False, rows=(task.start, task.stop)
  )
  rendered = render_rows(
    rows, part, task.key.templates, every=True, renderings=task.per_row
  )
  framing = Framing.of(task.config, vocabulary)
  most = (
    task.config.lengths['inputs'] - framing.prompt_overhead,
    task.config.lengths['targets'],
  )
  examples = fit_rows(rendered, part, vocabulary, most, _KEPT)
  # Optimizing the graph takes longer than reading most shards.
  options = tf.data.Options()
  options.experimental_optimization.apply_default_optimizations = False
  return examples.with_options(options).as_numpy_iterator()


class _ShardWriter:
  """Streams renderings to the files of one shard."""

  def __init__(
    self, task: ShardTask, vocabulary: Vocabulary, tokens: IO, rows: IO
  ):
    self._tokens, self._row_file = tokens, rows
    self._trains = task.key.split == 'train'
    self._templates = task.key.part.templates
    self._vocabulary = vocabulary
    self._dtype = cached_split.token_dtype(vocabulary)
    self._ends: list[int] = [0]
    self._renderings: list[tuple] = []
    self._option_ids: dict[bytes, np.ndarray] = {}
    self._row: dict[str, Any] | None = None
    self._row_id = None
    self._rows = 0
    self._cut = {'inputs_shortened': 0, 'prompts_cut': 0, 'targets_cut': 0}

  def add(self, example: dict[str, Any]) -> None:
    """Appends one rendering; those of a row are consecutive."""
    if example['id'] != self._row_id:
      self.end_row()
      self._row_id, self._row = example['id'], _row(example)
      self._rows += 1
    if not self._trains:
      self._keep_target(example)
    first = len(self._ends) - 1
    self._add_span(example['inputs'])
    if self._trains or not len(example['options']):
      self._add_span(example['targets'])
    else:
      for option in example['options']:
        self._add_span(self._encode_option(option))
    self._renderings.append(
      (
        self._rows - 1,
        example['template'],
        example['inputs_cut'],
        example['targets_cut'],
        len(self._ends) - 1 - first,
        first,
      )
    )
    self._cut['inputs_shortened'] += int(example['inputs_cut'] == 1)
    self._cut['prompts_cut'] += int(example['inputs_cut'] == 2)
    self._cut['targets_cut'] += int(example['targets_cut'])

  def end_row(self) -> None:
    """Writes the object of the last row."""
    if self._row is not None:
      text = json.dumps(self._row, ensure_ascii=False)
      self._row_file.write(text + '\n')

  def _keep_target(self, example: dict[str, Any]) -> None:
    """Keeps the target of a template if it is not the row's answer."""
    pattern = self._templates[example['template']].target
    if pattern != ANSWER_TARGET:
      text = example['targets_pretokenized'].decode()
      self._row.setdefault('targets', {})[pattern] = text

  def _encode_option(self, option: bytes) -> np.ndarray:
    """Tokenizes an option, once for the fixed classes of all rows."""
    if option not in self._option_ids:
      ids = self._vocabulary.encode(option.decode())
      self._option_ids[option] = np.asarray(ids, self._dtype)
    return self._option_ids[option]

  def _add_span(self, ids: np.ndarray) -> None:
    self._tokens.write(np.asarray(ids).astype(self._dtype).tobytes())
    self._ends.append(self._ends[-1] + len(ids))

  def finish(self, folder: pathlib.Path) -> dict[str, int]:
    """Writes the index; returns the counts."""
    renderings = np.asarray(self._renderings, cached_split.RENDERING)
    np.save(folder / cached_split.RENDERINGS, renderings)
    np.save(folder / cached_split.SPANS, np.asarray(self._ends, np.int64))
    return {
      'rows': self._rows,
      'renderings': len(renderings),
      'tokens': self._ends[-1],
      **self._cut,
    }


def _row(example: dict[str, Any]) -> dict[str, Any]:
  """Returns what evaluation needs to know of a row."""
  row = {
    'id': example['id'].decode(),
    # Hexadecimal: JSON numbers lose the low bits of 64.
    'group': f'{int(example["group"]):016x}',
    'class': int(example['class']),
    'answers': [answer.decode() for answer in example['answers']],
  }
  if len(example['options']):
    row['correct'] = np.flatnonzero(example['correct']).tolist()
    if row['class'] < 0:
      row['options'] = [option.decode() for option in example['options']]
  if example['item']:
    row['item'] = f'{int(example["item"]):016x}'
  if not np.isnan(example['score']):
    row['score'] = round(float(example['score']), 6)
  return row
