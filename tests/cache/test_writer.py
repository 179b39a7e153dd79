"""Shards: written anywhere, whole or not there, and the same wherever."""

import dataclasses
import errno
import json
import os
import pathlib
import shutil

import numpy as np
import pytest

from flan_jax.cache import beam, cached_split, shard, writer
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.storage import CacheError
from flan_jax.cache.writer import CacheWriter, make_cached_splits
from flan_jax.definitions import registry
from flan_jax.rendering.splits import MissingDataError
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

# A split divided by groups, one read in ranges, evaluation with options.
_KEYS = (
  named_split('rte', 'train'),
  named_split('snli', 'train'),
  named_split('cb', 'test'),
)


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


@pytest.fixture
def config(mini_data, tmp_path) -> CacheConfig:
  return CacheConfig(str(tmp_path / 'cache'), mini_data)


def _quiet(line: str) -> None:
  del line


def _files(folder: str | pathlib.Path) -> dict[str, bytes]:
  root = pathlib.Path(folder)
  return {
    str(path.relative_to(root)): path.read_bytes()
    for path in sorted(root.rglob('*'))
    if path.is_file()
  }


@pytest.mark.slow
def test_shards_hold_what_one_would(config, vocabulary, monkeypatch, tmp_path):
  whole = make_cached_splits(_KEYS, config, vocabulary, log=_quiet)
  other = dataclasses.replace(config, cache_dir=str(tmp_path / 'shards'))
  monkeypatch.setattr(writer, 'ROWS_PER_SHARD', 5)
  parted = make_cached_splits(_KEYS, other, vocabulary, log=_quiet)
  # A split that splits divide by group stays one shard.
  assert len(parted[0].manifest['shards']) == 1
  assert len(parted[1].manifest['shards']) > 2
  for one, many in zip(whole, parted, strict=True):
    assert one.rows == many.rows
    assert (one.renderings == many.renderings).all()
    assert (one.row_start == many.row_start).all()
    assert (one.span_lengths == many.span_lengths).all()
    for index in range(len(one.span_lengths)):
      assert (one.span(index) == many.span(index)).all()
    for name, count in one.manifest['counts'].items():
      assert many.manifest['counts'][name] == count
    many.verify()


@pytest.mark.slow
def test_a_beam_pipeline_writes_the_same_bytes(
  config, vocabulary, monkeypatch, tmp_path
):
  pytest.importorskip('apache_beam')
  monkeypatch.setattr(writer, 'ROWS_PER_SHARD', 5)
  make_cached_splits(_KEYS, config, vocabulary, log=_quiet)
  other = dataclasses.replace(config, cache_dir=str(tmp_path / 'beam'))
  lines, rows = [], []
  CacheWriter(_KEYS, other, vocabulary).make(
    lines.append,
    beam.make_runner(['--runner=DirectRunner']),
    rows.append,
  )
  assert _files(other.cache_dir) == _files(config.cache_dir)
  assert len(lines) == 3
  assert len(rows) > 3


def test_finished_shards_are_not_written_again(
  config, vocabulary, monkeypatch, tmp_path
):
  monkeypatch.setattr(writer, 'ROWS_PER_SHARD', 5)
  key = named_split('snli', 'train')
  (cached,) = make_cached_splits([key], config, vocabulary, log=_quiet)
  before = _files(config.cache_dir)
  # As after a kill between shards: two are missing, and the manifest.
  (cached.path / cached_split.MANIFEST).unlink()
  shards = sorted(cached.path.glob('shard-*'))
  for folder in shards[1:3]:
    shutil.rmtree(folder)
  kept = shards[0].stat().st_mtime_ns
  written = []
  write = shard._write_files

  def spy(task, folder):
    written.append(task.index)
    return write(task, folder)

  monkeypatch.setattr(shard, '_write_files', spy)
  make_cached_splits([key], config, vocabulary, log=_quiet)
  assert written == [1, 2]
  assert _files(config.cache_dir) == before
  assert shards[0].stat().st_mtime_ns == kept


def test_a_full_disk_ends_in_its_error_and_a_clean_resume(
  config, vocabulary, monkeypatch
):
  key = named_split('rte', 'train')
  add = shard._ShardWriter.add

  def full(self, block):
    add(self, block[:5])
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'tokens.bin')

  monkeypatch.setattr(shard._ShardWriter, 'add', full)
  with pytest.raises(CacheError, match=r'No space left on device'):
    make_cached_splits([key], config, vocabulary, log=_quiet)
  with pytest.raises(CacheError, match='flan-jax cache'):
    cached_split.find_cached_split(key, config, vocabulary)
  monkeypatch.undo()
  (cached,) = make_cached_splits([key], config, vocabulary, log=_quiet)
  cached.verify()
  assert cached.num_rows == cached.manifest['counts']['rows'] > 0


def test_a_damaged_or_foreign_manifest_is_refused(config, vocabulary):
  key = named_split('cb', 'test')
  (cached,) = make_cached_splits([key], config, vocabulary, log=_quiet)
  path = cached.path / cached_split.MANIFEST
  whole = path.read_text()
  flipped = whole.replace('"rows": ', '"rows": 1')
  for text in (whole[: len(whole) // 2], '', '[]', '[' * 100_000, flipped):
    path.write_text(text)
    with pytest.raises(CacheError, match=r'manifest\.json is damaged'):
      CachedSplit(cached.path)
  manifest = json.loads(whole)
  # As that of an older version, which has no digest.
  del manifest[cached_split.DIGEST]
  manifest['vocabulary']['digest'] = 'another'
  path.write_text(json.dumps(manifest))
  with pytest.raises(CacheError, match='another vocabulary'):
    cached_split.find_cached_split(key, config, vocabulary)
  path.write_text(json.dumps({**manifest, 'layout': 1}))
  with pytest.raises(CacheError, match='layout 1'):
    cached_split.find_cached_split(key, config, vocabulary)
  path.write_text(whole)
  shutil.rmtree(next(cached.path.glob('shard-*')))
  with pytest.raises(CacheError, match='damaged or missing'):
    cached_split.find_cached_split(key, config, vocabulary)


@pytest.mark.parametrize('name', cached_split.FILES)
@pytest.mark.parametrize('damage', ['truncated', 'flipped', 'head', 'missing'])
def test_every_damaged_file_is_named(config, vocabulary, name, damage):
  (cached,) = make_cached_splits(
    [named_split('cb', 'test')], config, vocabulary, log=_quiet
  )
  path = cached.path / cached_split.shard_name(0, 1) / name
  whole = path.read_bytes()
  if damage == 'truncated':
    path.write_bytes(whole[:-1])
  elif damage == 'flipped':
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
  elif damage == 'head':
    # Of an array's file, what tells its type.
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
  else:
    path.unlink()
  with pytest.raises(CacheError, match=name):
    CachedSplit(cached.path).verify()


def test_missing_sources_are_refused_or_left_out(config, vocabulary, tmp_path):
  partial = dataclasses.replace(config, data_dir=str(tmp_path / 'partial'))
  shutil.copytree(
    pathlib.Path(config.data_dir) / 'snli',
    pathlib.Path(partial.data_dir) / 'snli',
  )
  keys = [named_split('rte', 'train'), named_split('snli', 'train')]
  with pytest.raises(MissingDataError, match='flan-jax prepare'):
    CacheWriter(keys, partial, vocabulary)
  writer = CacheWriter(keys, partial, vocabulary, allow_missing=True)
  assert list(writer.missing) == ['rte']
  writer.make(_quiet)
  assert [cached.name for cached in writer.open()] == ['snli']


def test_a_worker_of_another_version_writes_nothing(config, vocabulary):
  task, *_ = CacheWriter(_KEYS, config, vocabulary).plan().tasks
  foreign = dataclasses.replace(task, version='another')
  with pytest.raises(CacheError, match='install the same version'):
    shard.write_shard(foreign)
  assert not pathlib.Path(config.cache_dir).exists()


@pytest.mark.slow
def test_a_remote_cache_is_written_and_copied(
  config, vocabulary, bucket, monkeypatch, tmp_path
):
  monkeypatch.setattr(writer, 'ROWS_PER_SHARD', 5)
  key = named_split('snli', 'train')
  (local,) = make_cached_splits([key], config, vocabulary, log=_quiet)
  away = dataclasses.replace(config, cache_dir=f'{bucket}/cache')
  (remote,) = make_cached_splits([key], away, vocabulary, log=_quiet)
  assert str(remote.path).startswith(str(tmp_path / 'copies'))
  remote.verify()
  assert remote.digest == local.digest
  found = cached_split.find_cached_split(key, away, vocabulary)
  assert found.path == remote.path
  assert np.array_equal(found.renderings, local.renderings)
  assert make_cached_splits([key], away, vocabulary, log=pytest.fail)


def test_the_plan_counts_what_is_to_be_done(config, vocabulary):
  writer = CacheWriter(_KEYS, config, vocabulary)
  plan = writer.plan()
  assert len(plan.tasks) == 3 and plan.finished == 0
  made = make_cached_splits(_KEYS, config, vocabulary, log=_quiet)
  written = sum(cached.manifest['counts']['renderings'] for cached in made)
  assert written <= plan.renderings
  tokens = sum(cached.manifest['counts']['tokens'] for cached in made)
  assert tokens / 4 < plan.tokens < 4 * tokens
  assert writer.plan().tasks == () and writer.plan().finished == 3
