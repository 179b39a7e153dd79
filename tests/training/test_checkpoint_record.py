"""A record notices every flipped bit, and what it was made with is compared."""

import dataclasses
import json
import types

import jax.numpy as jnp
import pytest

from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig
from flan_jax.runtime.paths import user_path
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_errors import (
  CheckpointDamagedError,
  CheckpointError,
)
from flan_jax.training.checkpoint_record import (
  Expected,
  make_contents,
  read_contents,
  recorded_model,
)
from flan_jax.training.model_checkpoint import check_record

_MODEL = DecoderConfig(
  vocab_size=32,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=4,
  position='rope',
)
_VOCABULARY = types.SimpleNamespace(digest='d1', path='words.model')
_EXPECTED = Expected(_MODEL, _VOCABULARY, None)
_RECORD = {
  # As JSON, which has no tuples.
  'model': json.loads(json.dumps(dataclasses.asdict(_MODEL))),
  'vocabulary': {'digest': 'd1', 'path': 'words.model'},
  'prompt_format': None,
}


@pytest.fixture
def checkpoint(tmp_path):
  (tmp_path / 'record').mkdir()
  contents = make_contents({'params': 7}, {'params': 'ab'}, _RECORD, 0.5)
  (tmp_path / 'record/metadata').write_text(json.dumps(contents))
  return user_path(tmp_path)


def test_every_flipped_bit_of_a_record_is_noticed(checkpoint):
  path = checkpoint / 'record/metadata'
  whole = path.read_bytes()
  expected = read_contents(checkpoint)
  assert expected['record'] == _RECORD
  for place in range(len(whole)):
    flipped = bytearray(whole)
    flipped[place] ^= 1 << place % 8
    path.write_bytes(flipped)
    with pytest.raises(CheckpointDamagedError, match='metadata is damaged'):
      read_contents(checkpoint)


@pytest.mark.parametrize('text', ['', '[]', '7', '[' * 100_000, '{"a": 1}'])
def test_a_record_that_is_none_is_damaged(checkpoint, text):
  (checkpoint / 'record/metadata').write_text(text)
  with pytest.raises(CheckpointDamagedError, match='metadata is damaged'):
    read_contents(checkpoint)


@pytest.mark.parametrize('name', ['model', 'optimizer', 'window'])
def test_a_number_in_place_of_an_object_is_damaged(checkpoint, name):
  contents = make_contents({'params': 7}, {}, {**_RECORD, name: 3})
  (checkpoint / 'record/metadata').write_text(json.dumps(contents))
  with pytest.raises(CheckpointDamagedError, match='metadata is damaged'):
    read_contents(checkpoint)


def test_a_run_always_has_a_record_and_an_older_one_is_accepted(checkpoint):
  path = checkpoint / 'record/metadata'
  path.write_text(json.dumps({'digests': {'params': 7}, 'record': _RECORD}))
  assert read_contents(checkpoint)['record'] == _RECORD
  path.unlink()
  with pytest.raises(CheckpointDamagedError, match='metadata is missing'):
    read_contents(checkpoint)
  (checkpoint / 'record').rmdir()
  assert read_contents(checkpoint) == {}


@pytest.mark.parametrize(
  'changed, differs',
  [
    # The arrays of these have the same names and shapes.
    ({'num_heads': 2, 'head_dim': 8, 'num_kv_heads': 1}, 'num_heads: 4 -> 2'),
    ({'rope_base': 500_000.0}, 'rope_base: 10000.0 -> 500000.0'),
    (
      {'rope_scaling': 'yarn', 'rope_factor': 4.0},
      'rope_scaling: none -> yarn, rope_factor: 1.0 -> 4.0',
    ),
    ({'activation': 'silu'}, 'activation: gelu -> silu'),
    ({'norm_eps': 1e-5}, 'norm_eps: 1e-06 -> 1e-05'),
    ({'position': 'relative_bias'}, 'position: rope -> relative_bias'),
    ({'num_layers': 3, 'd_ff': 8}, r'num_layers: 2 -> 3, d_ff: 24 -> 8\)'),
    # These change no score, or belong to the other kind of position.
    ({'compute_dtype': 'bfloat16', 'remat': 'full', 'attention': 'blocks'}, ''),
    ({'scan_layers': False, 'dropout_rate': 0.1, 'prompt_vectors': 3}, ''),
    ({'relative_buckets': 8}, ''),
  ],
)
def test_fields_of_the_model_that_change_scores_are_compared(changed, differs):
  model = dataclasses.replace(_MODEL, **changed)
  expected = dataclasses.replace(_EXPECTED, model=model)
  if not differs:
    expected.check(_RECORD, 'run')
    return
  with pytest.raises(ConfigError, match=differs):
    expected.check(_RECORD, 'run')


def test_every_field_of_a_model_is_compared_or_known_not_to_matter():
  free = 0
  for field in dataclasses.fields(DecoderConfig):
    stored = {**_RECORD, 'model': {**_RECORD['model'], field.name: 'other'}}
    try:
      _EXPECTED.check(stored, 'run')
      free += 1
    except ConfigError as error:
      assert f'{field.name}: other -> ' in str(error)
  assert free == 13  # Eleven, and two of the other kind of position.


def test_vocabulary_and_prompt_format_are_compared(tmp_path, capsys):
  Checkpointer.save_params(tmp_path, {'a': jnp.ones(3)}, _RECORD)
  check_record(tmp_path, _EXPECTED)
  other = types.SimpleNamespace(digest='d2', path='other.model')
  with pytest.raises(ConfigError, match=r'words\.model, and VOCABULARY is oth'):
    check_record(tmp_path, dataclasses.replace(_EXPECTED, vocabulary=other))
  chat = dataclasses.replace(_EXPECTED, prompt_format='Q: {input}')
  with pytest.raises(ConfigError, match=r"PROMPT_FORMAT None, and it is 'Q: "):
    check_record(tmp_path, chat)
  # A run that starts from it may choose another.
  check_record(tmp_path, chat, starts=True)
  assert "this run uses 'Q: {input}'" in capsys.readouterr().out
  # Records of older versions lack fields.
  _EXPECTED.check({}, 'run')
  known = {'model': {**_RECORD['model']}}
  del known['model']['rope_base']
  _EXPECTED.check(known, 'run')
  # What was not recorded was the default.
  model = dataclasses.replace(_MODEL, rope_base=5e5)
  with pytest.raises(ConfigError, match=r'rope_base: 10000\.0 -> 500000\.0'):
    dataclasses.replace(_EXPECTED, model=model).check(known, 'run')


def test_a_prompt_is_not_taken_for_a_model(tmp_path):
  base = {'checkpoint': 'one', 'params_digest': 5}
  record = {'base': base, 'prompt': {'length': 3}}
  Checkpointer.save_params(tmp_path, {'prompt': jnp.ones(3)}, record)
  with pytest.raises(ConfigError, match='a soft prompt for one, not a model'):
    check_record(tmp_path, _EXPECTED)


@pytest.mark.parametrize(
  'record, wrong',
  [
    ({}, 'does not record'),
    ({'model': 3}, 'cannot make'),
    ({'model': {'wings': 2}}, 'cannot make'),
    ({'model': {**_RECORD['model'], 'd_model': -1}}, 'cannot make'),
  ],
)
def test_a_model_that_cannot_be_is_refused(record, wrong):
  assert recorded_model(_RECORD, 'run') == _MODEL
  with pytest.raises(CheckpointError, match=f'run .*{wrong}'):
    recorded_model(record, 'run')
