"""Writes one shard of a cached split: the work that is spread over workers.

Imports TensorFlow. A task carries all that it needs, so that a worker on
another machine needs neither the registry nor the configuration.
"""

from collections.abc import Iterator
import dataclasses
import json
import pathlib
import socket
from typing import IO, Any

import numpy as np

from flan_jax import __version__
from flan_jax.cache import cached_split, storage
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import SplitKey
from flan_jax.definitions.dataset import ANSWER_TARGET
from flan_jax.definitions.digests import file_digest
from flan_jax.rendering.row_blocks import (
  BlockSource,
  RenderedRow,
  Renderer,
  Rendering,
  read_blocks,
)
from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary


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
    for block in _blocks(task, vocabulary):
      writer.add(block)
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


def _blocks(
  task: ShardTask, vocabulary: Vocabulary
) -> Iterator[list[RenderedRow]]:
  """Yields the rows of a shard, rendered, in blocks."""
  part, trains = task.key.part, task.key.split == 'train'
  framing = Framing.of(task.config, vocabulary)
  most = (
    task.config.lengths['inputs'] - framing.prompt_overhead,
    task.config.lengths['targets'],
  )
  chosen = task.key.templates
  templates = [
    index
    for index, template in enumerate(part.templates)
    if (chosen is None or index in chosen) and (trains or not template.inverted)
  ]
  renderer = Renderer(part, vocabulary, most, templates, task.per_row)
  source = BlockSource(part, task.config.data_dir)
  blocks = read_blocks(source, task.key.split, task.start, task.stop)
  return map(renderer.render, blocks)


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
    self._option_ids: dict[str, np.ndarray] = {}
    self._rows = 0
    self._cut = {'inputs_shortened': 0, 'prompts_cut': 0, 'targets_cut': 0}

  def add(self, block: list[RenderedRow]) -> None:
    """Appends rows; those without renderings are left out."""
    block = [row for row in block if row.renderings]
    if not self._trains:
      self._encode_options(block)
    spans: list[np.ndarray] = []
    for row in block:
      for rendering in row.renderings:
        first, before = len(self._ends) - 1, len(spans)
        spans += self._spans(row, rendering)
        for span in spans[before:]:
          self._ends.append(self._ends[-1] + len(span))
        cut = rendering.inputs_cut, rendering.targets_cut
        count = len(spans) - before
        self._renderings.append(
          (self._rows, rendering.template, *cut, count, first)
        )
        self._cut['inputs_shortened'] += cut[0] == 1
        self._cut['prompts_cut'] += cut[0] == 2
        self._cut['targets_cut'] += cut[1]
      self._rows += 1
      text = json.dumps(self._about(row), ensure_ascii=False)
      self._row_file.write(f'{text}\n')
    if spans:
      self._tokens.write(np.concatenate(spans).astype(self._dtype).tobytes())

  def _spans(self, row: RenderedRow, rendering: Rendering) -> list[np.ndarray]:
    """Returns the prompt, and the target or all options, as ids."""
    if self._trains or not row.options:
      return [rendering.inputs, rendering.targets]
    return [rendering.inputs, *(self._option_ids[o] for o in row.options)]

  def _encode_options(self, block: list[RenderedRow]) -> None:
    """Tokenizes the options of a block; keeps those of fixed classes."""
    wanted = dict.fromkeys(o for row in block for o in row.options)
    if self._option_ids.keys() != wanted.keys():
      self._option_ids = {
        option: np.asarray(self._vocabulary.encode(option), np.int32)
        for option in wanted
      }

  def _about(self, row: RenderedRow) -> dict[str, Any]:
    """Returns what evaluation needs to know of a row."""
    values = row.values
    about = {
      'id': values['id'],
      # Hexadecimal: JSON numbers lose the low bits of 64.
      'group': f'{int(values["group"]):016x}',
      'class': int(values['class']),
      'answers': list(row.answers),
    }
    if row.options:
      about['correct'] = list(row.correct)
      if about['class'] < 0:
        about['options'] = list(row.options)
    if values['item']:
      about['item'] = f'{int(values["item"]):016x}'
    if not np.isnan(values['score']):
      about['score'] = round(float(values['score']), 6)
    if not self._trains:
      targets = {
        self._templates[rendering.template].target: rendering.target
        for rendering in row.renderings
      }
      # Most targets are the row's answer.
      targets.pop(ANSWER_TARGET, None)
      about |= {'targets': targets} if targets else {}
    return about

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
