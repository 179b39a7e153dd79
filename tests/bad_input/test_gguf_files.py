"""Damaged and hostile GGUF files are refused by `flan-jax import`."""

import struct

import pytest

from flan_jax.interop import open_source
from flan_jax.testing import tiny_models
from tests.bad_input.refusal import assert_refused
from tests.interop import gguf_files
from tests.interop.tiny_config import CONFIG

pytest.importorskip('gguf')

_U32, _F32, _STRING, _ARRAY, _U8, _BOOL = 4, 6, 8, 9, 0, 7
_HUGE = 2**63


@pytest.fixture(scope='module')
def source(tmp_path_factory):
  folder = tmp_path_factory.mktemp('source')
  tiny_models.write_tokenizer(folder)
  tiny_models.write_model(folder, {'model_type': 'llama', **CONFIG})
  return open_source(str(folder))


def _refuse(cli, names, content=None):
  if content is not None:
    (cli.folder / 'model.gguf').write_bytes(content)
  assert_refused(cli, 'import', '--from=model.gguf', '--out=out', names=names)


def _text(text):
  text = text if isinstance(text, bytes) else text.encode()
  return struct.pack('<Q', len(text)) + text


def _file(*values, tensors=(), count=None, magic=b'GGUF', version=3, data=b''):
  """Returns a file of metadata and tensors that are bytes already."""
  counts = len(tensors), len(values) if count is None else count
  head = magic + struct.pack('<IQQ', version, *counts)
  return head + b''.join([*values, *tensors]) + data


def _value(name, kind, content):
  return _text(name) + struct.pack('<I', kind) + content


def _array(kind, count, content=b''):
  return struct.pack('<IQ', kind, count) + content


_ARCH = _value('general.architecture', _STRING, _text('llama'))


def _tensor(name='token_embd.weight', shape=(2, 2), kind=0, offset=0):
  return (
    _text(name)
    + struct.pack(f'<I{len(shape)}Q', len(shape), *shape)
    + struct.pack('<IQ', kind, offset)
  )


_DAMAGED = {
  'empty': b'',
  '40 bytes': b'GGUF' + bytes(36),
  'zeros': bytes(1000),
  'only the magic': b'GGUF',
  'another magic': _file(magic=b'GGML'),
  'version 1': _file(version=1),
  'version 2^32': _file(version=2**32 - 1),
  '2^64 values': _file(_ARCH, count=2**64 - 1),
  'a value too many': _file(_ARCH, count=2),
  'a name of 2^63 bytes': _file(struct.pack('<Q', _HUGE)),
  'a text of 2^63 bytes': _file(_value('a', _STRING, struct.pack('<Q', _HUGE))),
  'an unknown type': _file(_value('a', 99, bytes(8))),
  'a list of 2^60 bytes': _file(_value('a', _ARRAY, _array(_U8, 2**60))),
  'a list of 2^60 flags': _file(_value('a', _ARRAY, _array(_BOOL, 2**60))),
  'a list of 2^60 texts': _file(_value('a', _ARRAY, _array(_STRING, 2**60))),
  'a list of an unknown type': _file(_value('a', _ARRAY, _array(77, 1))),
  'lists in lists': _file(
    _value('a', _ARRAY, _array(_ARRAY, 1) * 10_000 + bytes(16))
  ),
  'a list cut off': _file(_value('a', _ARRAY, _array(_U32, 4, bytes(12)))),
  'a name twice': _file(_ARCH, _ARCH),
  'a name not in UTF-8': _file(_value(b'\xff', _U32, bytes(4))),
  'an alignment of 0': _file(
    _value('general.alignment', _U32, bytes(4)), tensors=[_tensor()]
  ),
  'an alignment of 3': _file(
    _value('general.alignment', _U32, struct.pack('<I', 3)),
    tensors=[_tensor()],
    data=bytes(64),
  ),
  'no architecture': _file(tensors=[_tensor()], data=bytes(64)),
  'no tensors': _file(_ARCH),
  'tensors without data': _file(_ARCH, tensors=[_tensor()]),
  '2^32 dimensions': _file(
    _ARCH, tensors=[_text('a') + struct.pack('<I', 2**32 - 1)]
  ),
  'no dimensions': _file(_ARCH, tensors=[_tensor(shape=())]),
  'five dimensions': _file(_ARCH, tensors=[_tensor(shape=(1,) * 5)]),
  'a dimension of 0': _file(_ARCH, tensors=[_tensor(shape=(0, 2))]),
  'dimensions of 2^63': _file(_ARCH, tensors=[_tensor(shape=(_HUGE, 2))]),
  'an offset of 2^63': _file(
    _ARCH, tensors=[_tensor(offset=_HUGE)], data=bytes(64)
  ),
  'an unknown quantization': _file(
    _ARCH, tensors=[_tensor(kind=200)], data=bytes(64)
  ),
  'half a block': _file(_ARCH, tensors=[_tensor(kind=8)], data=bytes(64)),
  'a tensor twice': _file(
    _ARCH, tensors=[_tensor(), _tensor()], data=bytes(64)
  ),
  'an architecture that is a list': _file(
    _value('general.architecture', _ARRAY, _array(_U8, 1, b'a')),
    tensors=[_tensor()],
    data=bytes(64),
  ),
  'an architecture not in UTF-8': _file(
    _value('general.architecture', _STRING, _text(b'\xff')),
    tensors=[_tensor()],
    data=bytes(64),
  ),
  'an architecture with a line break': _file(
    _value('general.architecture', _STRING, _text('x\nimport os')),
    tensors=[_tensor()],
    data=bytes(64),
  ),
  'no sizes': _file(_ARCH, tensors=[_tensor()], data=bytes(64)),
}


@pytest.mark.parametrize('case', _DAMAGED)
def test_a_damaged_file(case, cli):
  _refuse(cli, 'model.gguf', _DAMAGED[case])


@pytest.mark.parametrize('kept', [10, 100, 1000, -1])
def test_a_file_that_is_cut_off(kept, source, cli):
  path = cli.folder / 'model.gguf'
  gguf_files.write(path, source)
  _refuse(cli, 'model.gguf', path.read_bytes()[:kept])


_METADATA = [
  ({'llama.block_count': 'three'}, (), 'llama.block_count is "three"'),
  ({'llama.block_count': 1.5}, (), 'must be an integer from 1'),
  ({'llama.block_count': 0}, (), 'must be an integer from 1'),
  ({'llama.block_count': 10**9}, (), 'states 1000000000 layers'),
  ({'llama.feed_forward_length': [1, 2]}, (), 'must be an integer from 1'),
  ({'llama.embedding_length': 2**32 - 1}, (), 'must be an integer from 1'),
  ({'llama.embedding_length': True}, (), 'must be an integer from 1'),
  ({'llama.attention.head_count': 0}, (), 'must be an integer from 1'),
  ({'llama.attention.head_count_kv': 3}, (), 'not a multiple'),
  ({'llama.rope.freq_base': float('nan')}, (), 'must be a positive number'),
  ({'llama.rope.freq_base': 'x'}, (), 'must be a positive number'),
  ({'llama.rope.dimension_count': 'x'}, (), 'partial_rotary_factor'),
  ({'llama.rope.dimension_count': 0}, (), 'partial_rotary_factor'),
  ({'llama.rope.scaling.type': [1]}, (), 'rope.scaling.type'),
  ({'llama.attention.sliding_window': 'x'}, (), 'must be an integer from 1'),
  ({'llama.expert_count': 8}, (), 'mixture of experts'),
  ({'split.count': 3}, (), 'one of several files'),
  ({'split.count': 'x'}, (), 'one of several files'),
  ({}, ('llama.embedding_length',), 'lacks llama.embedding_length'),
  ({}, ('llama.attention.head_count',), 'lacks llama.attention.head_count'),
  ({}, ('llama.block_count',), 'config.json lacks num_hidden_layers'),
]


@pytest.mark.parametrize('fields, without, names', _METADATA)
def test_metadata_that_is_wrong_or_missing(fields, without, names, source, cli):
  path = cli.folder / 'model.gguf'
  gguf_files.write(path, source, fields=fields, without=without)
  _refuse(cli, names)


_G = 'tokenizer.ggml.'
_TOKENS = ['<unk>', '<s>', '</s>', 'a', 'b']
_GOOD = {
  f'{_G}model': 'gpt2',
  f'{_G}pre': 'gpt-2',
  f'{_G}tokens': _TOKENS,
  f'{_G}token_type': [2, 3, 3, 1, 1],
  f'{_G}merges': ['a b'],
  f'{_G}eos_token_id': 2,
}


@pytest.mark.parametrize(
  'changes',
  [
    {'model': 'bert'},
    {'model': 3},
    {'model': None},
    {'pre': 'unheard-of'},
    {'pre': [1, 2]},
    {'tokens': None},
    {'tokens': [1, 2, 3]},
    {'tokens': 'abc'},
    {'token_type': None},
    {'token_type': [1]},
    {'token_type': ['x'] * 5},
    {'merges': None},
    {'merges': [1]},
    {'merges': ['ab']},
    {'merges': ['q z']},
    {'eos_token_id': 99},
    {'eos_token_id': 'x'},
    {'eos_token_id': 1.5},
    {'eos_token_id': None},
    {'bos_token_id': 10**9},
    {'add_bos_token': 'yes'},
    {'model': 'llama', 'scores': ['a'] * 5},
    {'model': 'llama', 'scores': [1.0]},
    {'model': 'llama', 'scores': None},
  ],
)
def test_a_damaged_tokenizer(changes, source, cli):
  fields = {**_GOOD, **{f'{_G}{name}': x for name, x in changes.items()}}
  fields = {name: x for name, x in fields.items() if x is not None}
  gguf_files.write(cli.folder / 'model.gguf', source, fields=fields)
  _refuse(cli, 'token')
