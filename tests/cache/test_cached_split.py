"""Caches hold every row, are found by content, and damage is noticed."""

import dataclasses

import numpy as np
import pytest

from flan_jax.cache import cached_split, identity, storage
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.storage import CacheError
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.sources import tfds_import
from flan_jax.sources.copies import copy_digest
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()


@pytest.fixture(scope='module')
def config(mini_data, tmp_path_factory) -> CacheConfig:
  return CacheConfig(str(tmp_path_factory.mktemp('cache')), mini_data)


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


def _make(config, vocabulary, *keys):
  return make_cached_splits(keys, config, vocabulary, log=lambda line: None)


def _find(key, config, vocabulary):
  return cached_split.find_cached_split(key, config, vocabulary)


def _texts(cached, vocabulary) -> list[list[str]]:
  return [
    [vocabulary.decode(span.tolist()) for span in cached.spans(rendering)]
    for rendering in cached.renderings
  ]


def test_training_split_has_every_row_under_several_templates(
  config, vocabulary
):
  (cached,) = _make(config, vocabulary, named_split('rte', 'train'))
  counts = cached.manifest['counts']
  assert counts['rows'] == counts['source_rows'] == cached.num_rows
  per_row = np.diff(cached.row_start)
  # Nine ordinary templates, and an inverted one for rows that entail.
  classes = np.array([row['class'] for row in cached.rows])
  assert (per_row == np.where(classes == 0, 10, 9)).all()
  for row in range(cached.num_rows):
    chosen = cached.renderings[
      cached.row_start[row] : cached.row_start[row + 1]
    ]
    assert len(set(chosen['template'].tolist())) == len(chosen)
    assert (chosen['row'] == row).all()
  for prompt, target in _texts(cached, vocabulary):
    assert target in ('yes', 'no') or 'Options:' not in prompt


def test_evaluation_split_has_every_option_and_no_inverted_template(
  config, vocabulary
):
  (cached,) = _make(config, vocabulary, named_split('rte', 'test'))
  inverted = [template.inverted for template in cached.part.templates]
  assert any(inverted)
  assert not any(inverted[t] for t in cached.renderings['template'])
  assert len(cached.renderings) == cached.num_rows * inverted.count(False)
  for rendering, texts in zip(
    cached.renderings, _texts(cached, vocabulary), strict=True
  ):
    row = cached.rows[rendering['row']]
    assert texts[1:] == ['yes', 'no']
    assert row['answers'] == [texts[1 + row['correct'][0]]]


def test_splits_share_no_row_and_no_group(config, vocabulary):
  splits = _make(
    config,
    vocabulary,
    *(named_split('rte', r) for r in ('train', 'validation', 'test')),
  )
  groups = [{row['group'] for row in cached.rows} for cached in splits]
  ids = [{row['id'] for row in cached.rows} for cached in splits]
  for first in range(3):
    for second in range(first):
      assert not groups[first] & groups[second]
      assert not ids[first] & ids[second]
  assert 'divided' in splits[0].manifest['adapted']


def test_rows_are_counted_before_and_after_filters(vocabulary, tmp_path):
  # A copy with test rows alone: its splits share them, neutral ones dropped.
  rows = (tfds_import.mini_corpus() / 'sentiment140.jsonl').read_text()
  chosen = [line for line in rows.splitlines() if '"_split": "test"' in line]
  path = tmp_path / 'rows/sentiment140.jsonl'
  path.parent.mkdir()
  path.write_text('\n'.join(chosen))
  tfds_import.import_rows(
    path, str(tmp_path / 'tfds'), builder='sentiment140:1.0.0', log=len
  )
  config = CacheConfig(str(tmp_path / 'cache'), str(tmp_path / 'tfds'))
  splits = _make(
    config,
    vocabulary,
    *(
      named_split('sentiment140', split)
      for split in ('train', 'validation', 'test')
    ),
  )
  counts = [cached.manifest['counts'] for cached in splits]
  assert sum(c['source_rows'] for c in counts) == len(chosen) == 14
  assert sum(c['rows_filtered'] for c in counts) == 2
  assert all(c['rows'] for c in counts)


def test_long_prompts_lose_the_truncatable_field_only(config, vocabulary):
  short = dataclasses.replace(config, lengths={'inputs': 80, 'targets': 8})
  (cached,) = _make(short, vocabulary, named_split('anli_r1', 'test'))
  (whole,) = _make(config, vocabulary, named_split('anli_r1', 'test'))
  counts = cached.manifest['counts']
  assert counts['inputs_shortened'] > 20
  shortened = 0
  for rendering, cut, full in zip(
    cached.renderings,
    _texts(cached, vocabulary),
    _texts(whole, vocabulary),
    strict=True,
  ):
    assert len(cached.spans(rendering)[0]) <= 79
    if rendering['inputs_cut'] == 1:
      shortened += 1
      assert cut[0] != full[0]
      block = full[0][full[0].index('Options:') :]
      assert cut[0].endswith(block)
    elif rendering['inputs_cut'] == 0:
      assert cut[0] == full[0]
  assert shortened == counts['inputs_shortened']


def test_cut_targets_carry_no_end(config, vocabulary):
  short = dataclasses.replace(config, lengths={'inputs': 300, 'targets': 4})
  (cached,) = _make(short, vocabulary, named_split('rte', 'train'))
  framing = Framing.of(short, vocabulary)
  cut = cached.renderings['targets_cut'].astype(bool)
  assert 0 < cut.sum() == cached.manifest['counts']['targets_cut']
  for rendering in cached.renderings:
    _, span = cached.spans(rendering)
    target = framing.target(span, bool(rendering['targets_cut']))
    assert len(target) <= 4
    assert (target[-1] == vocabulary.eos_id) != bool(rendering['targets_cut'])


def test_a_change_of_content_makes_another_split(config, vocabulary):
  key = named_split('rte', 'validation')
  (cached,) = _make(config, vocabulary, key)
  assert _find(key, config, vocabulary).path == cached.path
  other = dataclasses.replace(config, prompt_format='{input}\n')
  with pytest.raises(CacheError, match=r'no cache of rte.validation'):
    _find(key, other, vocabulary)
  subset = dataclasses.replace(key, templates=(0, 1))
  with pytest.raises(CacheError):
    _find(subset, config, vocabulary)


def test_a_split_of_another_rendering_version_is_made_again(
  config, vocabulary, tmp_path, monkeypatch
):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  key = named_split('rte', 'validation')
  (made,) = _make(own, vocabulary, key)
  monkeypatch.setattr(identity, 'RENDERING_VERSION', 0)
  with pytest.raises(CacheError, match=r'no cache of rte\.validation'):
    _find(key, own, vocabulary)
  (again,) = _make(own, vocabulary, key)
  assert again.path != made.path
  # Runs that are resumed see tokens, and these are the same.
  assert again.digest == made.digest
  monkeypatch.undo()
  assert _find(key, own, vocabulary).path == made.path


def test_prose_and_metrics_are_those_of_the_declaration(config, vocabulary):
  key = named_split('cb', 'test')
  (made,) = _make(config, vocabulary, key)
  part = dataclasses.replace(key.part, note='another', metrics=('accuracy',))
  found = _find(SplitKey(part, 'test'), config, vocabulary)
  assert found.path == made.path
  assert found.part is part
  newer = SplitKey(dataclasses.replace(part, version='9'), 'test')
  with pytest.raises(CacheError, match=r'no cache of cb\.test'):
    _find(newer, config, vocabulary)


def test_a_split_is_found_without_its_source_where_it_is_the_only_one(
  config, vocabulary, tmp_path
):
  key = named_split('rte', 'validation')
  (cached,) = _make(config, vocabulary, key)
  light = dataclasses.replace(config, data_dir=str(tmp_path))
  assert _find(key, light, vocabulary).path == cached.path
  twin = cached.path.with_name(cached.path.name[:-8] + '00000000')
  twin.mkdir()
  (twin / cached_split.MANIFEST).write_text(
    (cached.path / cached_split.MANIFEST).read_text()
  )
  try:
    with pytest.raises(CacheError, match='Set DATA_DIR'):
      _find(key, light, vocabulary)
    assert _find(key, config, vocabulary).path == cached.path
  finally:
    (twin / cached_split.MANIFEST).unlink()
    twin.rmdir()


def test_damage_is_noticed(config, vocabulary, tmp_path):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  (cached,) = _make(own, vocabulary, named_split('rte', 'validation'))
  cached.verify()
  tokens = cached.path / cached_split.shard_name(0, 1) / cached_split.TOKENS
  whole = tokens.read_bytes()
  tokens.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
  with pytest.raises(CacheError, match=r'tokens\.bin is damaged'):
    cached_split.CachedSplit(cached.path).verify()
  tokens.write_bytes(whole[:-2])
  with pytest.raises(CacheError, match=r'tokens\.bin is damaged'):
    cached_split.CachedSplit(cached.path)


def test_an_interrupted_split_is_made_anew(config, vocabulary, tmp_path):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  key = named_split('rte', 'validation')
  copy = copy_digest(key.part.source, own.data_dir)
  path = tmp_path / identity.split_folder(key, own, vocabulary, copy)
  # What a killed writer of this machine left.
  writer = f'{storage._host()}-999999999'
  left = path / f'.{cached_split.shard_name(0, 1)}.{writer}.writing'
  left.mkdir(parents=True)
  (left / cached_split.TOKENS).write_bytes(b'half')
  with pytest.raises(CacheError):
    _find(key, own, vocabulary)
  (cached,) = _make(own, vocabulary, key)
  cached.verify()
  assert sorted(p.name for p in path.iterdir()) == [
    cached_split.MANIFEST,
    cached_split.shard_name(0, 1),
  ]


def test_every_span_round_trips(config, vocabulary):
  (cached,) = _make(config, vocabulary, named_split('anli_r3', 'test'))
  for texts, rendering in zip(
    _texts(cached, vocabulary), cached.renderings, strict=True
  ):
    for text, span in zip(texts, cached.spans(rendering), strict=True):
      assert vocabulary.encode(text) == span.tolist()
