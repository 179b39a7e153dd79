"""Makes the units of the token cache from TFDS (imports TensorFlow).

The driver decides what is missing, has its shards written (here, or by the
workers of `cache_beam`) and, when all of a unit are there, its manifest.
"""

from collections.abc import Callable, Iterable, Sequence
import dataclasses
import pathlib
from typing import Any

from flan_jax import __version__
from flan_jax.cache import cached_split, remote
from flan_jax.cache.cached_split import CacheConfig, CachedSplit, SplitKey
from flan_jax.cache.engine_code import engine_digest
from flan_jax.cache.shard import ShardTask, remove_leftovers, write_shard
from flan_jax.definitions import registry
from flan_jax.rendering import splits
from flan_jax.rendering.lengths import renderings_of
from flan_jax.rendering.source import SplitSource
from flan_jax.sources.copies import copy_digest
from flan_jax.vocabulary.base import Vocabulary

# Rows of a shard: what one worker does at a time, and loses at most.
ROWS_PER_SHARD = 10_000

# Writes shards and calls back after each; see `run_here`.
Runner = Callable[[Sequence[ShardTask], Callable[[ShardTask], None]], None]


@dataclasses.dataclass(frozen=True)
class Plan:
  """What has to be written.

  Attributes:
    tasks: The shards that are not there yet.
    rows: Rows that they read.
    renderings: Renderings that they write, at most.
    tokens: Roughly how many tokens that is.
    finished: Units that are there already.
    missing: Part -> why it cannot be read; empty unless that was allowed.
  """

  tasks: tuple[ShardTask, ...]
  rows: int
  renderings: int
  tokens: int
  finished: int
  missing: dict[str, str]


def run_here(
  tasks: Sequence[ShardTask], done: Callable[[ShardTask], None]
) -> None:
  """Writes shards one after the other in this process."""
  for task in tasks:
    write_shard(task)
    done(task)


class CacheWriter:
  """Plans and makes units."""

  def __init__(
    self,
    keys: Iterable[SplitKey],
    config: CacheConfig,
    vocabulary: Vocabulary,
    allow_missing: bool = False,
  ):
    """Initializes the writer.

    Args:
      keys: The units.
      config: Directories and lengths.
      vocabulary: Tokenizes them.
      allow_missing: Leaves units out whose source is not prepared.

    Raises:
      splits.MissingDataError: a source is not prepared; checked for all before
        anything is written, and says which commands bring it.
    """
    self._config = config
    self._vocabulary = vocabulary
    self._sources: dict[SplitKey, SplitSource] = {}
    self.missing: dict[str, str] = {}
    for key in dict.fromkeys(keys):
      source = _source(key, config)
      try:
        _ = source.class_names, source.slices
      except splits.MissingDataError as error:
        if not allow_missing:
          raise
        self.missing[key.part] = str(error)
        continue
      self._sources[key] = source

  def _path(self, key: SplitKey) -> str:
    source = self._sources[key].part.source
    copy = copy_digest(source, self._config.data_dir)
    name = cached_split.split_folder(key, self._config, self._vocabulary, copy)
    return f'{cached_split.expanded(self._config.cache_dir)}/{name}'

  def _is_finished(self, key: SplitKey) -> bool:
    return (
      remote.read_json(f'{self._path(key)}/{cached_split.MANIFEST}') is not None
    )

  def plan(self) -> Plan:
    """Returns what has to be written."""
    todo = [key for key in self._sources if not self._is_finished(key)]
    tasks = [task for key in todo for task in self._tasks(key)]
    renderings = tokens = 0
    for task in tasks:
      count = (task.stop - task.start) * _most_renderings(task)
      renderings += count
      tokens += count * self._tokens_of_a_rendering(task)
    return Plan(
      tasks=tuple(tasks),
      rows=sum(task.stop - task.start for task in tasks),
      renderings=renderings,
      tokens=tokens,
      finished=len(self._sources) - len(todo),
      missing=self.missing,
    )

  def _tokens_of_a_rendering(self, task: ShardTask) -> int:
    """Returns a rough guess: the bytes of a TFDS row, and an instruction."""
    source = SplitSource(task.part, self._config.data_dir)
    split = source.builder.info.splits[source.slices[task.split].tfds_split]
    row = split.num_bytes // max(split.num_examples, 1)
    return min(row // 4 + 40, sum(self._config.lengths.values()))

  def _tasks(self, key: SplitKey) -> list[ShardTask]:
    source = self._sources[key]
    found = source.slices[key.split]
    rows = max(found.stop - found.start, 0)
    # The most rows of a divided split are counted in reading order.
    count = 1 if found.splits else max(1, -(-rows // ROWS_PER_SHARD))
    bounds = [rows * i // count for i in range(count + 1)]
    renderings = renderings_of(source.num_input_examples(key.split))
    return [
      ShardTask(
        unit=self._path(key),
        part=source.part,
        split=key.split,
        templates=key.templates,
        config=self._config,
        vocabulary=self._vocabulary.path,
        index=index,
        count=count,
        start=bounds[index],
        stop=bounds[index + 1],
        renderings=renderings if key.split == 'train' else None,
        engine=engine_digest(),
      )
      for index in range(count)
    ]

  def make(
    self,
    log: Callable[[str], None] = print,
    run: Runner = run_here,
    progress: Callable[[int], None] = lambda rows: None,
  ) -> None:
    """Makes every unit that is not there yet.

    Args:
      log: Called with one line a unit.
      run: Has shards written.
      progress: Called with the rows read since last.
    """
    left: dict[str, int] = {}
    keys = {}
    for key in self._sources:
      if not self._is_finished(key):
        keys[self._path(key)] = key
    tasks = [task for key in keys.values() for task in self._tasks(key)]
    for task in tasks:
      left[task.unit] = left.get(task.unit, 0) + 1
    for path in keys:
      if not remote.is_remote(path):
        remove_leftovers(pathlib.Path(path))

    def done(task: ShardTask) -> None:
      progress(task.stop - task.start)
      left[task.unit] -= 1
      if not left[task.unit]:
        log(_summary(self._finish(keys[task.unit])))

    run(tasks, done)

  def _finish(self, key: SplitKey) -> dict[str, Any]:
    """Writes the manifest of a unit whose shards are all there."""
    path, source = self._path(key), self._sources[key]
    shards = [
      remote.read_json(f'{path}/{task.name}/{cached_split.SHARD}')
      for task in self._tasks(key)
    ]
    if None in shards:
      raise cached_split.CacheError(f'{path}: a shard was not written')
    counts: dict[str, int] = {}
    for shard in shards:
      for name, count in shard['counts'].items():
        counts[name] = counts.get(name, 0) + count
    source_rows = source.num_input_examples(key.split)
    manifest = {
      **_describe(key, source, self._config, self._vocabulary),
      'dtype': cached_split.token_dtype(self._vocabulary).str,
      'counts': {
        'source_rows': source_rows,
        'rows_filtered': source_rows - counts['rows'],
        **counts,
      },
      'shards': shards,
    }
    remote.write_json(f'{path}/{cached_split.MANIFEST}', manifest)
    return manifest

  def units(self) -> list[CachedSplit]:
    """Opens the units, in order; those that were left out are not among them.

    Raises:
      CacheError: one is missing or damaged.
    """
    return [
      cached_split.open_cached_split(self._path(key)) for key in self._sources
    ]


def make_cached_splits(
  keys: Iterable[SplitKey],
  config: CacheConfig,
  vocabulary: Vocabulary,
  log: Callable[[str], None] = print,
) -> list[CachedSplit]:
  """Makes every unit that is not there yet in this process, and opens all.

  Args:
    keys: The units.
    config: Directories and lengths.
    vocabulary: Tokenizes them.
    log: Called with one line a unit.

  Raises:
    splits.MissingDataError: a source is not prepared; checked for all before
      anything is written, and says which commands bring it.
  """
  writer = CacheWriter(keys, config, vocabulary)
  writer.make(log)
  return writer.units()


def _source(key: SplitKey, config: CacheConfig) -> SplitSource:
  return SplitSource(key.find_part(), config.data_dir)


def _most_renderings(task: ShardTask) -> int:
  templates = len(task.templates or task.part.templates)
  return min(task.renderings or templates, templates)


def _summary(manifest: dict[str, Any]) -> str:
  counts = manifest['counts']
  line = (
    f'cached {manifest["part"]} ({manifest["split"]}): {counts["rows"]} rows, '
    f'{counts["renderings"]} renderings, {counts["tokens"]} tokens'
  )
  for name, words in _REMARKS.items():
    if counts[name]:
      line += f', {counts[name]} {words}'
  if manifest['adapted']:
    line += f' | split adapted: {manifest["adapted"]}'
  return line


_REMARKS = {
  'rows_filtered': 'rows filtered',
  'inputs_shortened': 'inputs shortened',
  'prompts_cut': 'prompts cut at the end',
  'targets_cut': 'targets cut',
}


def _describe(key, source, config, vocabulary) -> dict[str, Any]:
  part = source.part
  dataset, _ = registry.find_part(key.part)
  found = source.slices[key.split]
  return {
    'layout': cached_split.LAYOUT,
    'flan_jax': __version__,
    'engine': engine_digest(),
    'part': part.name,
    'dataset': dataset.name,
    'version': part.version,
    'cluster': part.cluster,
    'split': key.split,
    'source': part.source,
    'slice': part.splits[key.split],
    'adapted': found.reason,
    'recorded_rows': part.rows.get(key.split),
    'format': key.format,
    'choices': part.choices,
    'metrics': list(part.metrics),
    'note': part.note,
    'derived_from': list(part.derived_from),
    'templates': [
      {
        'input': template.input,
        'target': template.target,
        'inverted': template.inverted,
        'group': template.group,
      }
      for template in part.templates
    ],
    'templates_used': key.templates,
    'template_set': part.template_set,
    'vocabulary': {'digest': vocabulary.digest, 'size': vocabulary.size},
    'lengths': dict(config.lengths),
    'prompt_format': config.prompt_format,
  }
