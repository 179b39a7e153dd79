"""Importing and exporting preserves every bit."""

import json
import re

import jax
import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.interop import (
  FAMILIES,
  InteropError,
  export,
  family_for,
  import_params,
)
from flan_jax.interop.export_tokenizer import write_tokenizer
from flan_jax.interop.params import import_mesh
from flan_jax.interop.safetensors_folder import INDEX
from flan_jax.model import DecoderConfig
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing import tiny_models
from flan_jax.vocabulary.load import load_vocabulary


def _export(source, family, config, folder, dtype='float32', **about):
  folder.mkdir()
  mesh = make_mesh(MeshConfig(data=2, fsdp=2, model=2))
  params = import_params(source, family, config, mesh)
  export.write_weights(folder, family, config, params, dtype, **about)
  return folder


def _tensors(folder):
  found = {}
  for path in folder.glob('*.safetensors'):
    found |= safetensors_numpy.load_file(path)
  return found


def _assert_same_bits(got, expected):
  assert got.keys() == expected.keys()
  for name, values in expected.items():
    assert got[name].dtype == values.dtype
    np.testing.assert_array_equal(
      got[name].view(np.uint8), values.view(np.uint8), err_msg=name
    )


@pytest.mark.slow_but_first
@pytest.mark.parametrize('family', list(FAMILIES))
@pytest.mark.parametrize('tied', [False, True])
@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_weights_keep_every_bit(
  family, tied, dtype, make_folder, open_model, tmp_path
):
  folder = make_folder(family, dtype=dtype, tie_word_embeddings=tied)
  out = _export(*open_model(folder), tmp_path / 'out', dtype)
  _assert_same_bits(_tensors(out), _tensors(folder))


def test_several_files_have_an_index(make_folder, open_model, tmp_path):
  folder = make_folder(dtype='float32')
  source, family, config = open_model(folder)
  out = _export(source, family, config, tmp_path / 'out', shard_bytes=20_000)
  files = sorted(path.name for path in out.glob('*.safetensors'))
  count = len(files)
  assert count > 2 and files[0] == f'model-00001-of-{count:05d}.safetensors'
  index = json.loads((out / INDEX).read_text())
  assert index['metadata']['total_size'] == 4 * config.param_count()
  for file in files:
    names = {n for n, own in index['weight_map'].items() if own == file}
    assert names == safetensors_numpy.load_file(out / file).keys()
  _assert_same_bits(_tensors(out), _tensors(folder))


def test_bfloat16_is_rounded_once(make_folder, open_model, tmp_path):
  folder = make_folder(dtype='bfloat16')
  source, family, config = open_model(folder)
  params = import_params(source, family, config, import_mesh(config))
  third = jax.tree.map(lambda leaf: leaf / 3, params)
  out = tmp_path / 'out'
  out.mkdir()
  export.write_weights(out, family, config, third, 'bfloat16')
  got = _tensors(out)['model.norm.weight']
  expected = np.asarray(third['final_norm']).astype('bfloat16')
  np.testing.assert_array_equal(got.view(np.uint16), expected.view(np.uint16))


_SIZES = {
  'vocab_size': 300,
  'num_layers': 2,
  'd_model': 16,
  'd_ff': 24,
  'num_heads': 4,
  'num_kv_heads': 2,
  'head_dim': 4,
}


@pytest.mark.parametrize(
  ('settings', 'name'),
  [
    ({}, 'llama'),
    ({'qkv_bias': True}, 'qwen2'),
    ({'qk_norm': True}, 'qwen3'),
  ],
)
def test_the_configuration_decides_the_family(settings, name):
  config = DecoderConfig(**_SIZES, position='rope', **settings)
  assert family_for(config).name == name


@pytest.mark.parametrize(
  ('settings', 'reason'),
  [
    ({'position': 'relative_bias'}, "position='relative_bias'"),
    (
      {'position': 'rope', 'qkv_bias': True, 'qk_norm': True},
      r'Qwen2ForCausalLM differs in qk_norm: False -> True$',
    ),
  ],
)
def test_models_without_a_class_are_refused(settings, reason):
  with pytest.raises(InteropError, match=reason):
    family_for(DecoderConfig(**_SIZES, **settings))


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
  ('prompt_format', 'adds_bos', 'chat'),
  [
    ('<|user|>"Q":\n{input} 🦊\\n', True, None),
    (None, False, None),
    ('Q {input} A', False, 'Q {{ messages[0].content }} A'),
  ],
)
def test_an_exported_folder_says_how_it_is_prompted(
  prompt_format, adds_bos, chat, make_folder, open_model, tmp_path, monkeypatch
):
  transformers = pytest.importorskip('transformers')
  folder = make_folder(eos_token_id=[1, 2])
  tiny_models.write_tokenizer(folder, adds_bos)
  settings = json.loads((folder / 'tokenizer_config.json').read_text())
  other = {'chat_template': chat or 'X{{ messages[0].content }}'}
  (folder / 'tokenizer_config.json').write_text(json.dumps(settings | other))
  source, family, config = open_model(folder)
  out = _export(source, family, config, tmp_path / 'out')
  base = tmp_path / 'base'
  base.mkdir()
  source.write_tokenizer(base)
  vocabulary = load_vocabulary(str(base))
  write_tokenizer(vocabulary, out)
  export.write_settings(out, family, config, vocabulary, 'float32')
  export.write_usage(out, vocabulary, prompt_format)

  (example,) = re.findall(
    '```python\n(.*?)```', (out / 'README.md').read_text(), re.S
  )
  names = {}
  monkeypatch.chdir(out)
  exec(example, names)
  framing = Framing.of(
    CacheConfig('.', prompt_format=prompt_format), vocabulary
  )
  question = 'Is the sky blue?'
  assert names['tokens'] == framing.prompt(vocabulary.encode(question))
  tokenizer = transformers.AutoTokenizer.from_pretrained(out)
  messages = [{'role': 'user', 'content': question}]
  text = tokenizer.apply_chat_template(messages, tokenize=False)
  start = '<|start|>' if adds_bos else ''
  around = prompt_format or '{input}<|end|>'
  assert text == start + around.replace('{input}', question)
  assert tokenizer.chat_template == chat or chat is None
  ends = names['model'].generation_config.eos_token_id
  assert tuple(ends) == vocabulary.end_ids == (1, 2)
