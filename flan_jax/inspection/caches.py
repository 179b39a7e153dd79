"""The splits in a token cache, and which of them a run reads."""

import collections
from collections.abc import Iterator, Mapping, Sequence
import fnmatch
import json
import re
from typing import Any

from etils import epath

from flan_jax.cache import cached_split, identity
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.storage import CacheError
from flan_jax.errors import UserError
from flan_jax.runtime.paths import user_path
from flan_jax.sources.copies import copy_digest
from flan_jax.terminal.blocks import Block, Line, Paragraph, Row, Table
from flan_jax.vocabulary.base import Vocabulary

# A run reads what is cached, makes what is missing or unfinished, and refuses
# what is damaged.
CACHED, MISSING, UNFINISHED = 'cached', 'missing', 'unfinished'
DAMAGED, OTHER = 'damaged', 'other settings'
STATES = (CACHED, MISSING, UNFINISHED, DAMAGED, OTHER)
_STYLES = {CACHED: '', DAMAGED: 'red', OTHER: 'dim'}

# <dataset>/<part>.<split>[.<format>]-<content>-<copy>
_FOLDER = re.compile(r'^\w+/(?P<name>[\w.]+)-[0-9a-f]{12}-[0-9a-f]{8}$')
_SHARD = re.compile(r'^shard-\d+-of-(\d+)$')


def describe(
  keys: Sequence[SplitKey] | None, config: CacheConfig, vocabulary: Vocabulary
) -> dict[str, Any]:
  """Describes the cached splits of a run, or of a whole cache.

  Args:
    keys: The splits of the run; None for every split in the cache, whatever
      its settings.
    config: Directories, lengths and prompt format of the run.
    vocabulary: Its vocabulary.

  Returns:
    {'cache_dir', 'splits': [{'split', 'state': one of `STATES`, 'reason',
    'folder', 'rows', 'tokens', 'bytes'}], 'others': number of folders of
    splits that the run does not need}. `rows`, `tokens` and `bytes` are None
    unless the split is complete, `folder` is None where it is missing.

  Raises:
    CacheError: CACHE_DIR is a file.
  """
  root = user_path(config.cache_dir)
  if root.exists() and not root.is_dir():
    raise CacheError(f'CACHE_DIR is {root}, a file: name a folder')
  folders = [f'{p.parent.name}/{p.name}' for p in sorted(root.glob('*/*'))]
  left = {f: match['name'] for f in folders if (match := _FOLDER.match(f))}
  splits = []
  if keys is None:
    splits, left = [_describe(root, f, name) for f, name in left.items()], {}
  for key in keys or ():
    copy = copy_digest(key.part.source, config.data_dir)
    pattern = identity.split_folder(key, config, vocabulary, copy or '*')
    read = fnmatch.filter(left, pattern)
    splits += [_describe(root, f, left.pop(f)) for f in read] or [
      _row(str(key), MISSING)
    ]
  names = set(map(str, keys or ()))
  for folder in [f for f, name in left.items() if name in names]:
    about = _describe(root, folder, left.pop(folder))
    reason = 'of other templates, lengths, vocabulary, copy or version'
    splits.append({**about, 'state': OTHER, 'reason': reason})
  return {'cache_dir': str(root), 'splits': splits, 'others': len(left)}


def _row(
  name: str, state: str, reason: str = '', **more: Any
) -> dict[str, Any]:
  empty = dict.fromkeys(('folder', 'rows', 'tokens', 'bytes'))
  return {'split': name, 'state': state, 'reason': reason, **empty, **more}


def _describe(root: epath.Path, folder: str, name: str) -> dict[str, Any]:
  """Describes the split in a folder; reads every file, as a run does."""
  path = root / folder
  manifest_path = path / cached_split.MANIFEST
  if not manifest_path.exists():
    return _row(name, UNFINISHED, _progress(path), folder=folder)
  try:
    manifest = json.loads(manifest_path.read_text())
    if manifest['layout'] != identity.LAYOUT:
      return _row(name, OTHER, 'of another version', folder=folder)
    cached_split.open_cached_split(str(path)).verify()
  # A damaged file may raise anything.
  except Exception as error:
    kind = ''
    if not isinstance(error, UserError):
      kind = f'{manifest_path} is damaged: {type(error).__name__}: '
    return _row(name, DAMAGED, f'{kind}{error}', folder=folder)
  return _row(
    name,
    CACHED,
    folder=folder,
    rows=manifest['counts']['rows'],
    tokens=manifest['counts']['tokens'],
    bytes=sum(
      f['bytes'] for s in manifest['shards'] for f in s['files'].values()
    ),
  )


def _progress(path: epath.Path) -> str:
  shards = [
    int(match[1])
    for shard in path.glob(f'shard-*/{cached_split.SHARD}')
    if (match := _SHARD.match(shard.parent.name))
  ]
  done = f'{len(shards)} of {shards[0]}' if shards else 'no'
  return f'{done} shards written'


def lines(found: Mapping[str, Any]) -> Iterator[Block]:
  """Yields the table of `describe`, a line a split."""
  splits = found['splits']
  counts = collections.Counter(split['state'] for split in splits)
  states = ', '.join(f'{counts[s]} {s}' for s in STATES if counts[s])
  tokens = sum(split['tokens'] or 0 for split in splits)
  yield Line(
    f'{found["cache_dir"]}: {len(splits)} splits ({states}), {tokens:,} tokens',
    'bold',
  )
  if found['others']:
    yield f'other splits, which this run does not read: {found["others"]}'
  if counts[MISSING] or counts[UNFINISHED]:
    yield '`flan-jax cache` makes those that are missing or unfinished'
  yield ''
  rows = [_table_row(split) for split in splits]
  yield Table(('split', 'state', 'rows', 'tokens', 'MB'), rows, ruled=False)


def _table_row(split: Mapping[str, Any]) -> Row:
  cells = [split['split'], split['state']]
  if split['rows'] is not None:
    size = split['bytes'] / 1e6
    cells += [f'{split["rows"]:,}', f'{split["tokens"]:,}', f'{size:,.1f}']
  style = _STYLES.get(split['state'], 'yellow')
  return Row(cells, style, Paragraph(split['reason'], '    ', style))
