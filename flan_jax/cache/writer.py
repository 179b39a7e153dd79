"""Makes the splits of the token cache from TFDS (imports TensorFlow).

The driver decides what is missing, has its shards written (here, or by the
workers of `beam`) and writes the manifest of a split when all its shards are
complete.
"""

import collections
from collections.abc import Callable, Iterable, Mapping, Sequence
import dataclasses
import os
from typing import Any

from flan_jax import __version__
from flan_jax.cache import cached_split, storage
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import LAYOUT, SplitKey, split_folder
from flan_jax.cache.shard import ShardTask, write_shard
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.digests import digest
from flan_jax.rendering.lengths import renderings_of
from flan_jax.rendering.missing_data import missing_data, missing_parts
from flan_jax.rendering.row_blocks import BlockSource
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime.paths import user_path
from flan_jax.sources.copies import copy_digest
from flan_jax.vocabulary.base import Vocabulary

# Rows of a shard: what one worker does at a time, and loses at most.
ROWS_PER_SHARD = 10_000

# Writes shards and calls back after each, see `run_here`.
Runner = Callable[[Sequence[ShardTask], Callable[[ShardTask], None]], None]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What has to be written.

  Attributes:
    tasks: The shards that are missing.
    splits: Number of splits that they are of.
    finished: Number of splits that are complete.
    rows: Rows that the tasks read.
    renderings: Renderings that they write, at most.
    tokens: Roughly how many tokens that is.
  """

  tasks: tuple[ShardTask, ...]
  splits: int
  finished: int
  rows: int
  renderings: int
  tokens: int


def run_here(
  tasks: Sequence[ShardTask], done: Callable[[ShardTask], None]
) -> None:
  """Writes shards one after the other in this process."""
  for task in tasks:
    write_shard(task)
    done(task)


class CacheWriter:
  """Plans and makes cached splits.

  Attributes:
    missing: Part -> why it cannot be read; empty unless that was allowed.
  """

  def __init__(
    self,
    keys: Iterable[SplitKey],
    config: CacheConfig,
    vocabulary: Vocabulary,
    allow_missing: bool = False,
  ):
    """Opens the source of every split.

    Raises:
      MissingDataError: sources are not prepared, unless `allow_missing` leaves
        them out; the message names all, and the commands that prepare them.
    """
    self._config = config
    self._vocabulary = vocabulary
    self._sources: dict[SplitKey, BlockSource] = {}
    self._verified: set[SplitKey] = set()
    self.missing: dict[str, str] = {}
    keys = list(dict.fromkeys(keys))
    parts = missing_parts((key.part for key in keys), config.data_dir)
    if parts and not allow_missing:
      raise missing_data(parts, config.data_dir, '--allow_missing')
    for key in keys:
      source = BlockSource(key.part, config.data_dir)
      try:
        _ = source.class_names, source.slices
      except MissingDataError as error:
        if not allow_missing:
          raise
        self.missing[key.part.name] = str(error)
        continue
      self._sources[key] = source

  def _path(self, key: SplitKey):
    copy = copy_digest(key.part.source, self._config.data_dir)
    folder = split_folder(key, self._config, self._vocabulary, copy)
    return user_path(self._config.cache_dir) / folder

  def plan(self) -> Plan:
    """Returns what has to be written.

    Raises:
      CacheError: A split that was written is damaged.
    """
    todo = [key for key in self._sources if not self._is_finished(key)]
    tasks = tuple(task for key in todo for task in self._tasks(key))
    return Plan(
      tasks=tasks,
      splits=len(todo),
      finished=len(self._sources) - len(todo),
      rows=sum(task.rows for task in tasks),
      renderings=sum(task.renderings for task in tasks),
      tokens=sum(
        task.renderings * self._tokens_of_a_rendering(task.key)
        for task in tasks
      ),
    )

  def _is_finished(self, key: SplitKey) -> bool:
    path = self._path(key)
    if not (path / cached_split.MANIFEST).exists():
      return False
    # One in a bucket is compared where it is used, and copied for that.
    if storage.is_local(path) and key not in self._verified:
      cached_split.open_cached_split(path).verify()
      self._verified.add(key)
    return True

  def _tokens_of_a_rendering(self, key: SplitKey) -> int:
    """Returns a rough guess: the bytes of a TFDS row, and an instruction."""
    source = self._sources[key]
    row = source.rows.bytes_of_row(source.slices[key.split].tfds_split)
    return min(row // 4 + 40, sum(self._config.lengths.values()))

  def _tasks(self, key: SplitKey) -> list[ShardTask]:
    source = self._sources[key]
    found = source.slices[key.split]
    rows = max(found.stop - found.start, 0)
    # The rows of a divided split are counted in reading order.
    count = 1 if found.splits else max(1, -(-rows // ROWS_PER_SHARD))
    per_row = None
    if key.split == 'train':
      per_row = renderings_of(source.num_input_examples(key.split))
    return [
      ShardTask(
        folder=os.fspath(self._path(key)),
        key=key,
        config=self._config,
        vocabulary=self._vocabulary.path,
        index=index,
        count=count,
        start=rows * index // count,
        stop=rows * (index + 1) // count,
        per_row=per_row,
      )
      for index in range(count)
    ]

  def make(
    self,
    log: Callable[[str], None] = print,
    run: Runner = run_here,
    progress: Callable[[int], None] = lambda rows: None,
  ) -> dict[str, int]:
    """Makes every split that is missing.

    Args:
      log: Called with one line for each split.
      run: Has shards written.
      progress: Called with the rows read since the last call.

    Returns:
      The sum of their counts, see `manifest['counts']`.

    Raises:
      CacheError: the cache directory cannot be written.
    """
    tasks = self.plan().tasks
    total = collections.Counter()
    left = collections.Counter(task.key for task in tasks)
    for key in left:
      storage.remove_leftovers(self._path(key))

    def done(task: ShardTask) -> None:
      progress(task.rows)
      left[task.key] -= 1
      if not left[task.key]:
        manifest = self._finish(task.key)
        total.update(manifest['counts'])
        log(_summary(manifest))

    try:
      run(tasks, done)
    except OSError as error:
      raise storage.CacheError(
        f'cannot write to {self._config.cache_dir}: {error}'
      ) from error
    return total

  def _finish(self, key: SplitKey) -> dict[str, Any]:
    """Writes the manifest of a split whose shards are all complete."""
    path, source = self._path(key), self._sources[key]
    shards = [
      storage.read_json(path / task.name / cached_split.SHARD)
      for task in self._tasks(key)
    ]
    if None in shards:
      raise storage.CacheError(f'{path}: a shard was not written')
    counts = collections.Counter()
    for shard in shards:
      counts.update(shard['counts'])
    source_rows = source.num_input_examples(key.split)
    manifest = {
      'layout': LAYOUT,
      'flan_jax': __version__,
      'part': key.part.name,
      'dataset': key.part.dataset.name,
      'version': key.part.version,
      'split': key.split,
      'format': key.part.format,
      'source': key.part.source,
      'slice': key.part.splits[key.split],
      'adapted': _adapted(key.part, source.slices[key.split].reason),
      'templates_used': key.templates,
      'template_set': key.part.template_set,
      'vocabulary': {
        name: getattr(self._vocabulary, name) for name in ('digest', 'size')
      },
      'lengths': dict(self._config.lengths),
      'prompt_format': self._config.prompt_format,
      'dtype': cached_split.token_dtype(self._vocabulary).str,
      'counts': {
        'source_rows': source_rows,
        'rows_filtered': source_rows - counts['rows'],
        **counts,
      },
      'shards': shards,
    }
    manifest[cached_split.DIGEST] = digest(manifest)
    storage.write_json(path / cached_split.MANIFEST, manifest)
    return manifest

  def open(self) -> list[CachedSplit]:
    """Opens the splits in order; raises CacheError if one is damaged."""
    return [
      cached_split.open_cached_split(self._path(key), key.part)
      for key in self._sources
    ]


def make_cached_splits(
  keys: Iterable[SplitKey],
  config: CacheConfig,
  vocabulary: Vocabulary,
  log: Callable[[str], None] = print,
) -> list[CachedSplit]:
  """Makes every split that is missing in this process, and opens all.

  Raises:
    MissingDataError: a source is not prepared, see `CacheWriter`.
  """
  writer = CacheWriter(keys, config, vocabulary)
  writer.make(log)
  return writer.open()


def in_words(counts: Mapping[str, int]) -> str:
  """Returns the counts of cached splits in words."""
  always = ('rows', 'renderings', 'tokens')
  if_any = ('rows_filtered', 'inputs_shortened', 'prompts_cut', 'targets_cut')
  names = [*always, *(name for name in if_any if counts[name])]
  return ', '.join(f'{counts[x]:,} {x.replace("_", " ")}' for x in names)


def _adapted(part: Dataset, reason: str) -> str:
  """Returns how a split differs from the recorded one.

  Of a user's own rows nothing is recorded, so they cannot differ.
  """
  return reason if part.rows or part.on_training_rows else ''


def _summary(manifest: Mapping[str, Any]) -> str:
  name, counts = f'{manifest["part"]}.{manifest["split"]}', manifest['counts']
  adapted = manifest['adapted']
  note = f' | split adapted: {adapted}' if adapted else ''
  return f'cached {name}: {in_words(counts)}{note}'
