"""Splits of the token cache for tests: by name, and with random tokens."""

import itertools
import json
import os
import pathlib

import numpy as np

from flan_jax.cache import cached_split, identity
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.identity import SplitKey
from flan_jax.definitions import registry
from flan_jax.definitions.dataset import in_format
from flan_jax.definitions.digests import file_digest
from flan_jax.rendering.lengths import DEFAULT_LENGTHS

# Tokens below stand for the start, the end and separators in tests.
_LEAST_TOKEN = 10


def named_split(
  name: str,
  split: str,
  templates: tuple[int, ...] | None = None,
  form: str = 'instructions',
) -> SplitKey:
  """Returns the key of a split of a registered part, in a format."""
  _, part = registry.find_part(name)
  return SplitKey(in_format(part, form), split, templates)


def write_cached_split(
  folder: str | os.PathLike,
  name: str,
  inputs: np.ndarray,
  targets: np.ndarray,
  per_row: np.ndarray | None = None,
  cut: np.ndarray | None = None,
  shards: int = 1,
  seed: int = 0,
  lengths: dict[str, int] | None = None,
) -> CachedSplit:
  """Writes a training split and opens it.

  Rows are of groups of two; renderings of a row are numbered as templates.

  Args:
    folder: Folder of the split, which must not exist.
    name: Name of the part.
    inputs: Tokens of each rendering's input, [renderings].
    targets: Tokens of each rendering's target, [renderings].
    per_row: Renderings of each row, [rows]; None for one.
    cut: Whether each rendering's target was cut, [renderings]; None for no.
    shards: Number of shards, with equal numbers of rows.
    seed: Seed of the tokens, which are in [10, 4,096).
    lengths: As in `CacheConfig`.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True)
  count = len(inputs)
  per_row = np.ones(count, int) if per_row is None else per_row
  cut = np.zeros(count, bool) if cut is None else cut
  row_start = np.concatenate([[0], np.cumsum(per_row)])
  bounds = np.linspace(0, len(per_row), shards + 1).astype(int)
  generator = np.random.default_rng(seed)
  summaries = []
  for index, (first, last) in enumerate(itertools.pairwise(bounds)):
    chosen = slice(row_start[first], row_start[last])
    shard = folder / cached_split.shard_name(index, shards)
    shard.mkdir()
    renderings = _renderings(per_row[first:last], cut[chosen])
    np.save(shard / cached_split.RENDERINGS, renderings)
    spans = np.stack([inputs[chosen], targets[chosen]], 1).reshape(-1)
    ends = np.concatenate([[0], np.cumsum(spans)]).astype(np.int64)
    np.save(shard / cached_split.SPANS, ends)
    tokens = generator.integers(_LEAST_TOKEN, 4096, ends[-1], np.uint16)
    tokens.tofile(shard / cached_split.TOKENS)
    rows = (
      {'id': f'{name}/{row}', 'group': f'{row // 2:016x}', 'answers': []}
      for row in range(first, last)
    )
    lines = ''.join(json.dumps(row) + '\n' for row in rows)
    (shard / cached_split.ROWS).write_text(lines, encoding='utf-8')
    summaries.append(_summary(shard, int(last - first), len(renderings)))
  manifest = {
    'layout': identity.LAYOUT,
    'part': name,
    'dataset': name,
    'split': 'train',
    'dtype': '<u2',
    'adapted': '',
    'lengths': dict(lengths or DEFAULT_LENGTHS),
    'counts': {
      'rows': len(per_row),
      'renderings': count,
      'tokens': int(inputs.sum() + targets.sum()),
    },
    'shards': summaries,
  }
  (folder / cached_split.MANIFEST).write_text(json.dumps(manifest))
  return CachedSplit(folder)


def _renderings(per_row: np.ndarray, cut: np.ndarray) -> np.ndarray:
  renderings = np.zeros(len(cut), cached_split.RENDERING)
  renderings['row'] = np.repeat(np.arange(len(per_row)), per_row)
  starts = np.repeat(np.cumsum(per_row) - per_row, per_row)
  renderings['template'] = np.arange(len(cut)) - starts
  renderings['targets_cut'] = cut
  renderings['spans'] = 2
  renderings['first'] = 2 * np.arange(len(cut))
  return renderings


def _summary(shard: pathlib.Path, rows: int, renderings: int) -> dict:
  paths = [shard / name for name in cached_split.FILES]
  return {
    'name': shard.name,
    'counts': {'rows': rows, 'renderings': renderings},
    'files': {
      path.name: {'bytes': path.stat().st_size, 'sha256': file_digest(path)}
      for path in paths
    },
  }
