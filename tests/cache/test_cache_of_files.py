"""Splits of files are cached as those of TFDS; a changed file is another."""

import pytest

import flan_jax as fj
from flan_jax.cache.cached_split import find_cached_split
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.storage import CacheError
from flan_jax.cache.writer import make_cached_splits
from flan_jax.vocabulary.load import load_vocabulary


def _write(folder, words):
  rows = ''.join(f'row {i} {words},{"ab"[i % 2]}\n' for i in range(40))
  (folder / 'rows.csv').write_text('text,label\n' + rows)


def test_a_changed_file_makes_another_cache(own_folder):
  _write(own_folder, 'of words')
  part = fj.dataset(
    'own', 'csv:rows.csv', 'text', ('a', 'b'), '{text}\n{options}'
  )
  config, vocabulary = CacheConfig('cache', None), load_vocabulary('mini')
  keys = [SplitKey(part, split) for split in ('train', 'test')]

  def make():
    return make_cached_splits(keys, config, vocabulary, log=lambda line: None)

  first = make()
  assert sum(len(split.rows) for split in first) < 40
  # No rows are recorded that they could differ from.
  assert not any(split.manifest['adapted'] for split in first)
  with pytest.raises(CacheError, match=r'no cache of own\.validation'):
    find_cached_split(SplitKey(part, 'validation'), config, vocabulary)
  _write(own_folder, 'of other words')
  with pytest.raises(CacheError, match=r'no cache of own\.train'):
    find_cached_split(keys[0], config, vocabulary)
  second = make()
  assert {s.path for s in first}.isdisjoint(s.path for s in second)
  found = find_cached_split(keys[0], config, vocabulary)
  assert found.path == second[0].path
  # A worker that lacks the file cannot tell which of them is meant.
  (own_folder / 'rows.csv').unlink()
  with pytest.raises(CacheError, match=r'2 caches of own\.train'):
    find_cached_split(keys[0], config, vocabulary)
