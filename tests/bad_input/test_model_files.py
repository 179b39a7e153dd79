"""Damaged and hostile models are refused by `flan-jax import`."""

import json
import shutil
import struct

import pytest

from flan_jax.testing import tiny_models
from tests.bad_input.refusal import (
  NESTED,
  NO_OBJECT,
  NOT_JSON,
  assert_refused,
)
from tests.interop.tiny_config import CONFIG

_WEIGHTS = 'model-00001.safetensors'
_INDEX = 'model.safetensors.index.json'
_SETTINGS = 'tokenizer_config.json'


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  folder = tmp_path_factory.mktemp('whole')
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {'model_type': 'llama', **CONFIG})
  return folder


@pytest.fixture
def refuse(cli, whole):
  """Returns a function that changes files of a model and imports it."""

  def refuse(names, **files):
    folder = cli.folder / 'model'
    shutil.copytree(whole, folder)
    for name, content in files.items():
      path = folder / name
      if content is None:
        path.unlink()
      else:
        path.write_bytes(content)
    assert_refused(cli, 'import', '--from=model', '--out=out', names=names)

  return refuse


@pytest.mark.parametrize(
  'name', ['config.json', _SETTINGS, 'tokenizer.json', _INDEX]
)
@pytest.mark.parametrize('content', NOT_JSON)
def test_a_file_that_is_not_json(name, content, refuse):
  refuse(name, **{name: NOT_JSON[content]})


@pytest.mark.parametrize('name', ['config.json', _SETTINGS, _INDEX])
@pytest.mark.parametrize('content', NO_OBJECT)
def test_json_that_is_no_object(name, content, refuse):
  refuse(name, **{name: NO_OBJECT[content]})


# Key, value, and what the line says besides the key.
_VALUES = [
  *(
    (key, value, 'must be an integer from 1')
    for key in ('hidden_size', 'num_hidden_layers', 'vocab_size')
    for value in ('big', 0, -1, 1.5, True, [3], {'a': 1}, 10**30)
  ),
  ('num_attention_heads', 'four', 'must be an integer from 1'),
  ('num_key_value_heads', 0, 'must be an integer from 1'),
  ('head_dim', -12, 'must be an integer from 1'),
  ('intermediate_size', float('nan'), 'must be an integer from 1'),
  ('max_position_embeddings', 'long', 'must be an integer from 1'),
  ('sliding_window', [1], 'must be an integer from 1'),
  ('rms_norm_eps', 'small', 'must be a positive number'),
  ('rms_norm_eps', float('inf'), 'must be a positive number'),
  ('rms_norm_eps', 0, 'must be a positive number'),
  ('rope_theta', float('nan'), 'must be a positive number'),
  ('rope_theta', [1e4], 'must be a positive number'),
  ('rope_theta', 10**400, 'must be a positive number'),
  ('rope_scaling', 'linear', 'must be an object'),
  ('rope_scaling', {'rope_theta': 'x'}, 'must be a positive number'),
  ('rope_parameters', [1, 2], 'must be an object'),
  ('rope_parameters', {'rope_type': 3}, 'must be text'),
  ('quantization_config', 'gptq', 'must be an object'),
  ('tie_word_embeddings', 'yes', 'must be true or false'),
  ('attention_bias', 1, 'must be true or false'),
  ('mlp_bias', 'no', 'must be true or false'),
  ('hidden_act', ['silu'], 'must be text'),
  ('model_type', ['llama'], 'must be text'),
  ('model_type', 7, 'must be text'),
]


@pytest.mark.parametrize('key, value, wanted', _VALUES)
def test_a_value_of_another_type(key, value, wanted, refuse):
  config = {'model_type': 'llama', **CONFIG, key: value}
  refuse(wanted, **{'config.json': json.dumps(config).encode()})


# Changes to config.json that fit its types, and what the line says.
_SHAPES = [
  (
    {'num_hidden_layers': 10**9},
    'states 1000000000 layers, but has tensors of',
  ),
  ({'num_hidden_layers': 2}, 'states 2 layers, but has tensors of 3'),
  ({'vocab_size': 2**31 - 1}, 'model.embed_tokens.weight: shape'),
  ({'hidden_size': 2**31 - 1}, 'model.embed_tokens.weight: shape'),
  ({'intermediate_size': 2**31 - 1}, 'gate_proj.weight: shape'),
  ({'head_dim': 2**30}, 'q_proj.weight: shape'),
  ({'num_attention_heads': 2**30}, 'q_proj.weight: shape'),
  ({'num_key_value_heads': 3}, 'not a multiple'),
  ({'head_dim': 11}, 'must be even'),
  ({'head_dim': None, 'num_attention_heads': 64}, 'cannot be'),
  ({'rope_theta': 0.5}, 'rope_base must exceed 1'),
  ({'model_type': 'gpt2'}, "'gpt2' cannot be imported"),
  ({'model_type': None}, 'None cannot be imported'),
  ({'model_type': 'x\x1b[31m\ny'}, 'cannot be imported'),
  ({'hidden_size': None}, 'config.json lacks hidden_size'),
  ({'hidden_act': 'relu'}, "activation 'relu'"),
  ({'rope_scaling': {'type': 'yarn'}}, "rope scaling 'yarn'"),
]


@pytest.mark.parametrize('changes, names', _SHAPES)
def test_a_configuration_that_does_not_fit(changes, names, refuse):
  config = {'model_type': 'llama', **CONFIG, **changes}
  refuse(names, **{'config.json': json.dumps(config).encode()})


def _safetensors(header, data=b'', size=None):
  text = header if isinstance(header, bytes) else json.dumps(header).encode()
  size = len(text) if size is None else size
  return struct.pack('<Q', size) + text + data


def _one(dtype='F32', shape=(2, 2), offsets=(0, 16)):
  return {'a': {'dtype': dtype, 'shape': shape, 'data_offsets': offsets}}


_SAFETENSORS = {
  'empty': b'',
  'seven bytes': bytes(7),
  'zeros': bytes(1000),
  'a header of 2^64 bytes': _safetensors(b'{}', size=2**64 - 1),
  'a header of 2^40 bytes': _safetensors(b'{}', size=2**40),
  'a header longer than the file': _safetensors(b'{}', size=100),
  'a header that is not JSON': _safetensors(b'words'),
  'a nested header': _safetensors(NESTED),
  'a header that is a list': _safetensors([1]),
  'a header that is not UTF-8': _safetensors(b'{"\xff": 1}'),
  'an unknown type': _safetensors(_one('F12'), bytes(16)),
  'a type of eight bits': _safetensors(_one('F8_E4M3', (4, 4)), bytes(16)),
  'integers': _safetensors(_one('I32'), bytes(16)),
  'offsets past the end': _safetensors(_one(offsets=(0, 64)), bytes(16)),
  'offsets in reverse': _safetensors(_one(offsets=(16, 0)), bytes(16)),
  'negative offsets': _safetensors(_one(offsets=(-16, 0)), bytes(16)),
  'offsets of 2^63': _safetensors(_one(offsets=(2**63, 2**63)), bytes(16)),
  'a shape that does not fit': _safetensors(_one(shape=(3, 3)), bytes(16)),
  'a shape of 2^63': _safetensors(_one(shape=(2**63, 2)), bytes(16)),
  'a negative shape': _safetensors(_one(shape=(-2, -2)), bytes(16)),
  'a shape of texts': _safetensors(_one(shape=('a',)), bytes(16)),
  'tensors that overlap': _safetensors({**_one(), 'b': _one()['a']}, bytes(16)),
  'a gap': _safetensors(
    {**_one(), 'b': _one(offsets=(32, 48))['a']}, bytes(48)
  ),
  'bytes at the end': _safetensors(_one(), bytes(17)),
  'a type that is a list': _safetensors(_one(dtype=[1]), bytes(16)),
  'no offsets': _safetensors({'a': {'dtype': 'F32', 'shape': [1]}}),
}


@pytest.mark.parametrize('case', _SAFETENSORS)
def test_a_damaged_file_of_weights(case, refuse):
  refuse(_WEIGHTS, **{_WEIGHTS: _SAFETENSORS[case]})


def test_truncated_weights(refuse, whole):
  refuse(_WEIGHTS, **{_WEIGHTS: (whole / _WEIGHTS).read_bytes()[:-1]})


def test_tensors_of_another_model(refuse):
  refuse('layers', **{_WEIGHTS: _safetensors(_one(), bytes(16))})


@pytest.mark.parametrize(
  'listed',
  [
    None,
    [],
    'x',
    {'a': 1},
    {'a': None},
    {'a': '../model.safetensors'},
    {'a': '/etc/passwd'},
    {'a': 'sub/model.safetensors'},
    {'a': 'weights.bin'},
    {'a': ''},
    {'a': 'x' * 300 + '.safetensors'},
    {'a': 'a\nb.safetensors'},
    {'a': 'missing.safetensors'},
  ],
)
def test_an_index_that_names_no_file_of_its_folder(listed, refuse):
  text = json.dumps({'weight_map': listed}).encode()
  refuse('', **{_INDEX: text})


def _tokenizer(**changes):
  model = {'type': 'BPE', 'vocab': {'a': 0}, 'merges': []}
  return json.dumps({'version': '1.0', 'model': {**model, **changes}}).encode()


@pytest.mark.parametrize(
  'content',
  [
    b'{}',
    b'[]',
    b'null',
    _tokenizer(type='nothing'),
    _tokenizer(vocab=[]),
    _tokenizer(vocab={}),
    _tokenizer(vocab={'a': -1}),
    _tokenizer(vocab={'a': 2**40}),
    _tokenizer(merges=[['a', 'b']]),
    _tokenizer(merges='x'),
    _tokenizer(unk_token=3),
  ],
)
def test_a_damaged_tokenizer(content, refuse):
  refuse('tokenizer.json', **{'tokenizer.json': content})


@pytest.mark.parametrize(
  'key, value, names',
  [
    ('eos_token', None, 'does not define an end token'),
    ('eos_token', 3, 'must be the text of a token'),
    ('eos_token', ['<|end|>'], 'must be the text of a token'),
    ('eos_token', {'id': 1}, 'must be the text of a token'),
    ('eos_token', {'content': 2}, 'must be the text of a token'),
    ('eos_token', 'nowhere', "has no token 'nowhere'"),
    ('bos_token', {}, 'must be the text of a token'),
    ('bos_token', 1.5, 'must be the text of a token'),
    ('pad_token', True, 'must be the text of a token'),
    ('add_bos_token', 'yes', 'must be true or false'),
  ],
)
def test_settings_of_a_tokenizer(key, value, names, refuse, whole):
  settings = json.loads((whole / _SETTINGS).read_text())
  settings |= {key: value}
  refuse(names, **{_SETTINGS: json.dumps(settings).encode()})


@pytest.mark.parametrize('content', [b'', b'\x00' * 40, b'words', NESTED])
def test_a_damaged_sentencepiece_model(content, refuse):
  files = {'tokenizer.json': None, 'tokenizer.model': content}
  refuse('tokenizer.model', **files)


@pytest.mark.parametrize('name', ['config.json', 'tokenizer.json', _WEIGHTS])
def test_a_missing_file(name, refuse):
  refuse('', **{name: None})


@pytest.mark.parametrize('context', ['0', '-5', 'x', '1.5'])
def test_a_context_that_cannot_be(context, cli, whole):
  assert_refused(
    cli,
    'import',
    f'--from={whole}',
    '--out=out',
    f'--context={context}',
    names='context',
  )


def test_a_refused_import_can_be_tried_again(cli, whole):
  shutil.copytree(whole, cli.folder / 'model')
  settings = cli.folder / 'model' / _SETTINGS
  right = settings.read_text()
  settings.write_text('{}')
  command = ('import', '--from=model', '--out=new/out')
  assert_refused(cli, *command, names='end token')
  settings.write_text(right)
  cli.check(*command)
  assert not list((cli.folder / 'new/out').glob('.*'))
