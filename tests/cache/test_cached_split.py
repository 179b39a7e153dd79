"""Caches hold every row, are found by content, and damage is noticed."""

import dataclasses
import json

import numpy as np
import pytest

from flan_jax.cache import cached_split, shard, writer
from flan_jax.cache.cached_split import (
  CacheConfig,
  CacheError,
  Framing,
  SplitKey,
)
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.sources import tfds_import
from flan_jax.sources.copies import copy_digest
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


def _texts(unit, vocabulary) -> list[list[str]]:
  return [
    [vocabulary.decode(span.tolist()) for span in unit.spans(rendering)]
    for rendering in unit.renderings
  ]


def test_training_unit_has_every_row_under_several_templates(
  config, vocabulary
):
  (unit,) = _make(config, vocabulary, SplitKey('rte', 'train'))
  counts = unit.manifest['counts']
  assert counts['rows'] == counts['source_rows'] == unit.num_rows
  per_row = np.diff(unit.row_start)
  # Nine ordinary templates, and an inverted one for rows that entail.
  classes = np.array([row['class'] for row in unit.rows])
  assert (per_row == np.where(classes == 0, 10, 9)).all()
  for row in range(unit.num_rows):
    chosen = unit.renderings[unit.row_start[row] : unit.row_start[row + 1]]
    assert len(set(chosen['template'].tolist())) == len(chosen)
    assert (chosen['row'] == row).all()
  for prompt, target in _texts(unit, vocabulary):
    assert target in ('yes', 'no') or 'Options:' not in prompt


def test_evaluation_unit_has_every_option_and_no_inverted_template(
  config, vocabulary
):
  (unit,) = _make(config, vocabulary, SplitKey('rte', 'test'))
  inverted = [t['inverted'] for t in unit.manifest['templates']]
  assert any(inverted)
  assert not any(inverted[t] for t in unit.renderings['template'])
  assert len(unit.renderings) == unit.num_rows * inverted.count(False)
  for rendering, texts in zip(
    unit.renderings, _texts(unit, vocabulary), strict=True
  ):
    row = unit.rows[rendering['row']]
    assert texts[1:] == ['yes', 'no']
    assert row['answers'] == [texts[1 + row['correct'][0]]]


def test_roles_share_no_row_and_no_group(config, vocabulary):
  units = _make(
    config,
    vocabulary,
    *(SplitKey('rte', r) for r in ('train', 'validation', 'test')),
  )
  groups = [{row['group'] for row in unit.rows} for unit in units]
  ids = [{row['id'] for row in unit.rows} for unit in units]
  for first in range(3):
    for second in range(first):
      assert not groups[first] & groups[second]
      assert not ids[first] & ids[second]
  assert 'divided' in units[0].manifest['adapted']


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
  units = _make(
    config,
    vocabulary,
    *(
      SplitKey('sentiment140', split)
      for split in ('train', 'validation', 'test')
    ),
  )
  counts = [unit.manifest['counts'] for unit in units]
  assert sum(c['source_rows'] for c in counts) == len(chosen) == 14
  assert sum(c['rows_filtered'] for c in counts) == 2
  assert all(c['rows'] for c in counts)


def test_long_prompts_lose_material_only(config, vocabulary):
  short = dataclasses.replace(config, lengths={'inputs': 80, 'targets': 8})
  (unit,) = _make(short, vocabulary, SplitKey('anli_r1', 'test'))
  (whole,) = _make(config, vocabulary, SplitKey('anli_r1', 'test'))
  counts = unit.manifest['counts']
  assert counts['inputs_shortened'] > 20
  shortened = 0
  for rendering, cut, full in zip(
    unit.renderings,
    _texts(unit, vocabulary),
    _texts(whole, vocabulary),
    strict=True,
  ):
    assert len(unit.spans(rendering)[0]) <= 79
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
  (unit,) = _make(short, vocabulary, SplitKey('rte', 'train'))
  framing = Framing.of(short, vocabulary)
  cut = unit.renderings['targets_cut'].astype(bool)
  assert 0 < cut.sum() == unit.manifest['counts']['targets_cut']
  for rendering in unit.renderings:
    _, span = unit.spans(rendering)
    target = framing.target(span, bool(rendering['targets_cut']))
    assert len(target) <= 4
    assert (target[-1] == vocabulary.eos_id) != bool(rendering['targets_cut'])


def test_a_change_of_content_makes_another_unit(config, vocabulary):
  key = SplitKey('rte', 'validation')
  (unit,) = _make(config, vocabulary, key)
  assert (
    cached_split.find_cached_split(key, config, vocabulary).path == unit.path
  )
  other = dataclasses.replace(config, prompt_format='{input}\n')
  with pytest.raises(CacheError, match=r'no cache of rte.validation'):
    cached_split.find_cached_split(key, other, vocabulary)
  subset = dataclasses.replace(key, templates=(0, 1))
  with pytest.raises(CacheError):
    cached_split.find_cached_split(subset, config, vocabulary)


def test_a_unit_of_other_code_is_made_anew(
  config, vocabulary, tmp_path, monkeypatch
):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  key = SplitKey('rte', 'validation')
  (unit,) = _make(own, vocabulary, key)
  for module in (cached_split, shard, writer):
    monkeypatch.setattr(module, 'engine_digest', lambda: 'another')
  with pytest.raises(CacheError, match='but one that other code has made'):
    cached_split.find_cached_split(key, own, vocabulary)
  # Where its lengths differ too, code is not the reason.
  short = dataclasses.replace(own, lengths={'inputs': 80, 'targets': 8})
  with pytest.raises(
    CacheError, match=r'no cache of rte\.validation in [^ ]*: make'
  ):
    cached_split.find_cached_split(key, short, vocabulary)
  (again,) = _make(own, vocabulary, key)
  assert again.path != unit.path
  # Runs that are resumed see tokens, and these are the same.
  assert again.digest == unit.digest
  monkeypatch.undo()
  assert cached_split.find_cached_split(key, own, vocabulary).path == unit.path


def test_a_unit_is_found_without_its_source_where_it_is_the_only_one(
  config, vocabulary, tmp_path
):
  key = SplitKey('rte', 'validation')
  (unit,) = _make(config, vocabulary, key)
  light = dataclasses.replace(config, data_dir=str(tmp_path))
  assert (
    cached_split.find_cached_split(key, light, vocabulary).path == unit.path
  )
  twin = unit.path.with_name(unit.path.name[:-8] + '00000000')
  twin.mkdir()
  (twin / cached_split.MANIFEST).write_text(
    (unit.path / cached_split.MANIFEST).read_text()
  )
  try:
    with pytest.raises(CacheError, match='Set DATA_DIR'):
      cached_split.find_cached_split(key, light, vocabulary)
    assert (
      cached_split.find_cached_split(key, config, vocabulary).path == unit.path
    )
  finally:
    (twin / cached_split.MANIFEST).unlink()
    twin.rmdir()


def test_damage_is_noticed(config, vocabulary, tmp_path):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  (unit,) = _make(own, vocabulary, SplitKey('rte', 'validation'))
  unit.verify()
  tokens = unit.path / cached_split.shard_name(0, 1) / cached_split.TOKENS
  whole = tokens.read_bytes()
  tokens.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
  with pytest.raises(CacheError, match=r'tokens\.bin is damaged'):
    cached_split.CachedSplit(unit.path).verify()
  tokens.write_bytes(whole[:-2])
  with pytest.raises(CacheError, match=r'tokens\.bin is damaged'):
    cached_split.CachedSplit(unit.path)


def test_an_interrupted_unit_is_made_anew(config, vocabulary, tmp_path):
  own = dataclasses.replace(config, cache_dir=str(tmp_path))
  key = SplitKey('rte', 'validation')
  copy = copy_digest('super_glue/rte:1.0.2', own.data_dir)
  path = tmp_path / cached_split.split_folder(key, own, vocabulary, copy)
  # What a writer of this machine left that was killed.
  writer = f'{shard._host()}-999999999'
  left = path / f'.{cached_split.shard_name(0, 1)}.{writer}.writing'
  left.mkdir(parents=True)
  (left / cached_split.TOKENS).write_bytes(b'half')
  with pytest.raises(CacheError):
    cached_split.find_cached_split(key, own, vocabulary)
  (unit,) = _make(own, vocabulary, key)
  unit.verify()
  assert sorted(p.name for p in path.iterdir()) == [
    cached_split.MANIFEST,
    cached_split.shard_name(0, 1),
  ]


def test_manifest_tells_what_training_and_evaluation_need(config, vocabulary):
  (unit,) = _make(config, vocabulary, SplitKey('cb', 'test'))
  manifest = json.loads((unit.path / cached_split.MANIFEST).read_text())
  assert manifest['cluster'] == 'nli'
  assert manifest['metrics'] == ['accuracy', 'macro_f1']
  assert set(manifest['choices']) == {'entailment', 'contradiction', 'neutral'}
  assert manifest['vocabulary']['digest'] == vocabulary.digest
  assert len(manifest['templates']) >= 10


def test_every_piece_round_trips(config, vocabulary):
  (unit,) = _make(config, vocabulary, SplitKey('anli_r3', 'test'))
  for texts, rendering in zip(
    _texts(unit, vocabulary), unit.renderings, strict=True
  ):
    for text, span in zip(texts, unit.spans(rendering), strict=True):
      assert vocabulary.encode(text) == span.tolist()
