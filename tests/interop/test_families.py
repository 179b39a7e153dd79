"""Each family computes the same logits as its class in `transformers`.

The models are small and have random weights.
"""

import json

import jax
import numpy as np
import pytest

from flan_jax.interop import (
  decoder_config,
  export,
  find_family,
  hf_config,
  import_params,
  open_source,
  reference,
)
from flan_jax.interop.params import import_mesh
from flan_jax.model import hidden_states, target_logits
from flan_jax.testing import tiny_models

pytest.importorskip('torch')
pytest.importorskip('transformers')

_TOLERANCE = 1e-4
# Longer than two blocks of attention.
_LENGTH = 600

_SIZES = {
  'vocab_size': 320,
  'hidden_size': 64,
  'intermediate_size': 112,
  'num_hidden_layers': 3,
  'num_attention_heads': 8,
  'num_key_value_heads': 2,
  'max_position_embeddings': 1024,
  'rms_norm_eps': 1e-5,
}
_CASES = {
  'llama': ('llama', {'head_dim': 16}),
  'llama-tied': ('llama', {'tie_word_embeddings': True}),
  'llama-every-head': ('llama', {'num_key_value_heads': 8}),
  'llama-one-group': ('llama', {'num_key_value_heads': 1}),
  'llama-3': ('llama', {'rope_theta': 5e5}),
  'llama-3.1': (
    'llama',
    {
      'rope_theta': 5e5,
      'rope_scaling': {
        'rope_type': 'llama3',
        'factor': 8.0,
        'low_freq_factor': 1.0,
        'high_freq_factor': 4.0,
        'original_max_position_embeddings': 128,
      },
    },
  ),
  'llama-linear': (
    'llama',
    {'rope_scaling': {'rope_type': 'linear', 'factor': 4.0}},
  ),
  'qwen2-yarn': (
    'qwen2',
    {
      'rope_scaling': {
        'rope_type': 'yarn',
        'factor': 4.0,
        'original_max_position_embeddings': 128,
      },
    },
  ),
  'llama-gelu': ('llama', {'hidden_act': 'gelu_pytorch_tanh'}),
  'llama-biases': ('llama', {'attention_bias': True, 'mlp_bias': True}),
  'mistral': ('mistral', {'head_dim': 16, 'sliding_window': None}),
  'mistral-window': ('mistral', {'sliding_window': 100}),
  'gemma2': (
    'gemma2',
    {
      'head_dim': 16,
      'sliding_window': 100,
      'query_pre_attn_scalar': 24,
      'attn_logit_softcapping': 2.0,
      'final_logit_softcapping': 3.0,
    },
  ),
  # Both kinds of layers rotate differently.
  'gemma3': (
    'gemma3_text',
    {
      'head_dim': 16,
      'num_hidden_layers': 4,
      'sliding_window': 100,
      'sliding_window_pattern': 3,
      'query_pre_attn_scalar': 24,
      'rope_local_base_freq': 100.0,
      'rope_scaling': {'rope_type': 'linear', 'factor': 8.0},
    },
  ),
  'qwen2': ('qwen2', {}),
  'qwen2-tied': ('qwen2', {'tie_word_embeddings': True, 'rope_theta': 1e6}),
  'qwen3': ('qwen3', {'head_dim': 16}),
  'qwen3-tied': ('qwen3', {'tie_word_embeddings': True, 'head_dim': 24}),
  'gpt-neox': ('gpt_neox', {'hidden_size': 128}),
  'olmo2': ('olmo2', {'head_dim': 16, 'rope_theta': 5e5}),
  'gpt-neox-serial': (
    'gpt_neox',
    {
      'rotary_pct': 1.0,
      'use_parallel_residual': False,
      'attention_bias': False,
      'hidden_act': 'gelu_pytorch_tanh',
    },
  ),
}


def _make(family, settings, folder):
  """Saves a model of `transformers` with every parameter random."""
  import torch
  import transformers

  settings = _SIZES | settings
  if family == 'gpt_neox':
    for key in ('num_key_value_heads', 'rms_norm_eps'):
      settings.pop(key)
  config = transformers.AutoConfig.for_model(family, **settings)
  model = transformers.AutoModelForCausalLM.from_config(config).float()
  generator = torch.Generator().manual_seed(0)
  with torch.no_grad():
    for name, parameter in model.named_parameters():
      noise = torch.randn(parameter.shape, generator=generator)
      if 'norm' in name:
        parameter.copy_(1 + noise / 4)
      else:
        parameter.copy_(noise * parameter.shape[-1] ** -0.5)
  model.save_pretrained(folder)
  tiny_models.write_tokenizer(folder)
  return model.eval()


# Combinations of what other cases have.
_SLOW = {
  *('llama-one-group', 'llama-linear', 'llama-biases', 'mistral-window'),
  *('qwen2-tied', 'qwen3-tied', 'gpt-neox-serial'),
}


@pytest.fixture(
  scope='module',
  params=[
    pytest.param(name, marks=[pytest.mark.slow] * (name in _SLOW))
    for name in _CASES
  ],
)
def case(request, tmp_path_factory):
  """A `transformers` model, and ours with the same weights."""
  family, settings = _CASES[request.param]
  folder = tmp_path_factory.mktemp(request.param)
  theirs = _make(family, settings, folder)
  source = open_source(str(folder))
  family = find_family(source.config)
  config = decoder_config(family, source.config)
  params = import_params(source, family, config, import_mesh(config))
  return theirs, family, config, params


def _ids(length, seed=0):
  rng = np.random.default_rng(seed)
  return rng.integers(0, _SIZES['vocab_size'], length).tolist()


@pytest.mark.slow
def test_logits_over_a_long_context(case):
  theirs, _, config, params = case
  ids = _ids(_LENGTH)
  expected = reference.logits(theirs, ids)
  got = reference.our_logits(config, params, ids)
  # Constant logits would prove nothing.
  assert expected.std() > 0.3
  # As `flan-jax export --check` compares: sums of so many terms differ by more.
  most = _TOLERANCE * np.abs(expected).max()
  np.testing.assert_allclose(got, expected, rtol=0, atol=most)


@pytest.mark.slow_but_first
def test_logits_of_packed_rows(case):
  theirs, _, config, params = case
  pieces = [_ids(length, seed=length) for length in (130, 7, 61)]
  row = {
    'tokens': np.concatenate(pieces)[None].astype(np.int32),
    'segments': np.repeat([1, 2, 3], [130, 7, 61])[None],
    'positions': np.concatenate([np.arange(len(p)) for p in pieces])[None],
  }

  @jax.jit
  def forward(params):
    return target_logits(config, params, hidden_states(config, params, row))

  got = np.asarray(forward(params)[0])
  expected = np.concatenate([reference.logits(theirs, p) for p in pieces])
  np.testing.assert_allclose(got, expected, rtol=0, atol=_TOLERANCE)


@pytest.mark.slow_but_first
def test_transformers_loads_an_exported_model(case, tmp_path):
  import transformers

  theirs, family, config, params = case
  export.write_weights(tmp_path, family, config, params, 'float32')
  content = hf_config.to_hf_config(family, config, 1024)
  (tmp_path / 'config.json').write_text(json.dumps(content))
  loaded, notes = transformers.AutoModelForCausalLM.from_pretrained(
    tmp_path, output_loading_info=True
  )
  assert not any(notes.values()), notes
  assert type(loaded) is type(theirs)
  ids = _ids(40)
  np.testing.assert_array_equal(
    reference.logits(loaded.eval(), ids), reference.logits(theirs, ids)
  )
