"""The folders of a token cache, each opened as a run does (no TensorFlow)."""

from collections.abc import Iterator, Mapping
import dataclasses
import re
from typing import Any

import numpy as np

from flan_jax.batches.sampler import rendering_sizes
from flan_jax.cache import cached_split, remote
from flan_jax.cache.cached_split import (
  CacheConfig,
  CachedSplit,
  CacheError,
  Framing,
  SplitKey,
)
from flan_jax.definitions import registry
from flan_jax.definitions.dataset import FORMATS, SPLITS
from flan_jax.vocabulary.base import Vocabulary

# What a folder of the cache is. A run takes what is finished; the rest it
# makes anew or refuses.
FINISHED = 'finished'
UNFINISHED = 'unfinished'
DAMAGED = 'damaged'
OTHER_LAYOUT = 'other layout'
OTHER_VOCABULARY = 'other vocabulary'
OUTDATED = 'outdated'
UNKNOWN = 'not registered'
AMBIGUOUS = 'ambiguous'
MISSING = 'missing'

# Histograms count lengths up to and including each of these, and longer ones.
BUCKETS = (64, 128, 256, 512, 1024, 1280)

_FOLDER = re.compile(
  rf'^(?P<part>\w+)\.(?P<split>{"|".join(SPLITS)})'
  rf'(?:\.(?P<format>{"|".join(FORMATS)}))?'
  r'-[0-9a-f]{12}-(?P<copy>[0-9a-f]{8})$'
)
_SHARD = re.compile(r'^shard-\d+-of-(\d+)$')


@dataclasses.dataclass(frozen=True)
class Found:
  """A folder of the cache.

  Attributes:
    about: What is said of it, plain JSON types.
    key: The unit it is; None where it cannot be read.
    unit: Opened; None unless it is finished.
  """

  about: dict[str, Any]
  key: SplitKey | None = None
  unit: CachedSplit | None = None

  @property
  def kind(self) -> tuple[str | None, ...]:
    """(part, split, format)."""
    return self.about['part'], self.about['split'], self.about['format']

  @property
  def settings(self) -> tuple[int, int, str | None]:
    lengths = self.about['lengths']
    return lengths['inputs'], lengths['targets'], self.about['prompt_format']


def folders(root: str) -> Iterator[str]:
  """Yields the folders of units, below the root.

  A folder that is not named as units are now is one where it has a manifest;
  others, as those of an imported corpus, are none.
  """
  for path in remote.find(root, '*/*'):
    folder = '/'.join(path.rstrip('/').split('/')[-2:])
    named = _FOLDER.match(folder.partition('/')[2])
    if named or remote.find(path, cached_split.MANIFEST):
      yield folder


def kind_of_key(key: SplitKey) -> tuple[str | None, ...]:
  """Returns (part, split, format)."""
  return key.part, key.split, key.format


def kind_of_folder(folder: str) -> tuple[str | None, ...]:
  """Returns (part, split, format), None each where the name does not say."""
  return Found(_named(folder)).kind


def _named(folder: str) -> dict[str, str | None]:
  """Returns what the name of a folder says of its unit."""
  match = _FOLDER.match(folder.partition('/')[2])
  if match is None:
    return dict.fromkeys(('part', 'split', 'format', 'copy'))
  return {**match.groupdict(), 'format': match['format'] or FORMATS[0]}


def look(root: str, folder: str, vocabulary: Vocabulary) -> Found:
  """Opens a folder and reads every file of it, as a run does.

  Args:
    root: Folder of the cache.
    folder: From `folders`.
    vocabulary: Of the run.

  Returns:
    What is there; nothing that is wrong with it is raised. Of each: 'folder',
    'part', 'split', 'format', 'copy', 'state' and 'reason'. If finished, also
    what its manifest says, and 'sizes': of 'prompts', of 'targets' (every
    option in evaluation) and, in training, of 'examples' (the places that one
    takes in a packed row): {'mean', 'longest': tokens with what stands before
    and after the spans, 'histogram': how many fall in each of `BUCKETS` and
    above}. One that can be read but not used: 'counts'.
  """
  about = {'folder': folder, **_named(folder)}
  try:
    return _open(root, about, vocabulary)
  except registry.UnknownNameError as error:
    return refused(about, UNKNOWN, str(error))
  except CacheError as error:
    return refused(about, DAMAGED, str(error))
  # Damage may lead to any error; here it is what is looked for.
  except Exception as error:
    first = str(error).partition('\n')[0]
    reason = f'cannot be read ({type(error).__name__}: {first})'
    return refused(about, DAMAGED, reason)


def _open(root: str, about: dict[str, Any], vocabulary: Vocabulary) -> Found:
  folder = about['folder']
  path = f'{root}/{folder}'
  manifest = remote.read_json(f'{path}/{cached_split.MANIFEST}')
  if manifest is None:
    return refused(about, UNFINISHED, _progress(path))
  if manifest.get('layout') != cached_split.LAYOUT:
    reason = f'layout {manifest.get("layout")}, not {cached_split.LAYOUT}'
    return refused(about, OTHER_LAYOUT, reason)
  unit = cached_split.open_cached_split(path)
  unit.verify()
  counted = {**about, 'counts': manifest['counts']}
  made_with = manifest['vocabulary']
  if made_with['digest'] != vocabulary.digest:
    reason = (
      f'{made_with["size"]:,} spans, {made_with["digest"]}; name its model '
      'with --vocabulary'
    )
    return refused(counted, OTHER_VOCABULARY, reason)
  key, config = _made_from(manifest, root)
  kind = key, config, vocabulary, about['copy']
  if cached_split.split_folder(*kind, engine=manifest['engine']) != folder:
    reason = 'its templates or mapping are not those in force: no run takes it'
    return refused(counted, OUTDATED, reason)
  if cached_split.split_folder(*kind) != folder:
    reason = (
      f'made by other code than this, of flan_jax {manifest["flan_jax"]}: no '
      'run takes it'
    )
    return refused(counted, OUTDATED, reason)
  framing = Framing.of(config, vocabulary)
  return Found(_describe(about, unit, framing), key, unit)


def _made_from(
  manifest: Mapping[str, Any], root: str
) -> tuple[SplitKey, CacheConfig]:
  """Returns the unit that a manifest is of, and its settings."""
  templates = manifest['templates_used']
  key = SplitKey(
    manifest['part'],
    manifest['split'],
    None if templates is None else tuple(templates),
    manifest['format'],
  )
  return key, CacheConfig(
    root, lengths=manifest['lengths'], prompt_format=manifest['prompt_format']
  )


def refused(about: Mapping[str, Any], state: str, reason: str) -> Found:
  """Returns what a run does not take, and why."""
  return Found({**about, 'state': state, 'reason': reason})


def _progress(path: str) -> str:
  """Says how much of a unit without a manifest is there."""
  shards = [
    _SHARD.match(shard.rstrip('/').rpartition('/')[2])
    for shard in remote.find(path, 'shard-*')
    if remote.find(shard, cached_split.SHARD)
  ]
  counts = [int(match[1]) for match in shards if match]
  done = f'{len(counts)} of {counts[0]} shards' if counts else 'no shard'
  return f'{done} written; `flan-jax cache` goes on with it'


def _describe(
  about: Mapping[str, Any], unit: CachedSplit, framing: Framing
) -> dict[str, Any]:
  """Describes a finished unit, see `look`."""
  manifest, counts = unit.manifest, unit.manifest['counts']
  return {
    **about,
    'dataset': manifest['dataset'],
    'cluster': manifest['cluster'],
    'state': FINISHED,
    'reason': '',
    'source': manifest['source'],
    'adapted': manifest['adapted'],
    'templates': manifest['templates_used'],
    'lengths': manifest['lengths'],
    'prompt_format': manifest['prompt_format'],
    'shards': len(manifest['shards']),
    'source_rows': counts['source_rows'],
    'rows_filtered': counts['rows_filtered'],
    'rows': counts['rows'],
    'renderings': counts['renderings'],
    'tokens': counts['tokens'],
    'inputs_shortened': counts['inputs_shortened'],
    'prompts_cut': counts['prompts_cut'],
    'targets_cut': counts['targets_cut'],
    'sizes': {
      name: _summary(lengths) for name, lengths in _sizes(unit, framing).items()
    },
  }


def _sizes(unit: CachedSplit, framing: Framing) -> dict[str, np.ndarray]:
  prompts = unit.prompt_lengths(framing)
  if unit.manifest['split'] == 'train':
    examples, targets = rendering_sizes(unit, framing)
    return {'prompts': prompts, 'targets': targets, 'examples': examples}
  is_target = np.ones(len(unit.span_lengths), bool)
  is_target[unit.renderings['first']] = False
  targets = unit.span_lengths[is_target] + len(framing.end)
  return {
    'prompts': prompts,
    # What fills the limit has been cut, and has no end token.
    'targets': np.minimum(targets, unit.manifest['lengths']['targets']),
  }


def _summary(lengths: np.ndarray) -> dict[str, Any]:
  bucket = np.searchsorted(BUCKETS, lengths)
  return {
    'mean': round(float(lengths.mean()), 2) if lengths.size else None,
    'longest': int(lengths.max()) if lengths.size else None,
    'histogram': np.bincount(bucket, minlength=len(BUCKETS) + 1).tolist(),
  }
