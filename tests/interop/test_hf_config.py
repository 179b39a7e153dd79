"""Unsupported features are named before a weight is read."""

import pytest

from flan_jax.interop import FAMILIES, InteropError, decoder_config, find_family
from tests.interop.tiny_config import CONFIG


def _config(family='llama', context=None, **settings):
  return decoder_config(FAMILIES[family], {**CONFIG, **settings}, context)


def test_sizes_and_defaults():
  config = _config()
  assert (config.d_model, config.d_ff, config.head_dim) == (32, 48, 12)
  assert (config.num_heads, config.num_kv_heads) == (4, 2)
  assert (config.position, config.activation) == ('rope', 'silu')
  assert config.rope_base == 10_000 and config.norm_eps == 1e-5
  assert not config.tie_embeddings
  older = _config(head_dim=None, num_key_value_heads=None)
  assert (older.head_dim, older.num_kv_heads) == (8, 4)


def test_fields_of_a_family():
  assert _config('qwen2').qkv_bias and not _config('qwen2').qk_norm
  assert _config('qwen3').qk_norm and not _config('qwen3').qkv_bias


@pytest.mark.parametrize(
  'settings',
  [
    {'rope_theta': 5e5},
    {'rope_theta': 5e5, 'rope_scaling': None},
    {'rope_parameters': {'rope_theta': 5e5, 'rope_type': 'default'}},
    {'rope_theta': 5e5, 'rope_scaling': {'type': 'default'}},
  ],
)
def test_rope_in_older_and_newer_files(settings):
  assert _config(**settings).rope_base == 5e5


@pytest.mark.parametrize(
  ('settings', 'named'),
  [
    ({'rope_scaling': {'rope_type': 'longrope'}}, "rope scaling 'longrope'"),
    ({'rope_scaling': {'type': 'dynamic', 'factor': 2}}, "scaling 'dynamic'"),
    (
      {'rope_scaling': {'rope_type': 'yarn', 'factor': 2, 'truncate': False}},
      "'yarn' without truncate",
    ),
    (
      {'rope_scaling': {'rope_type': 'llama3', 'factor': 2.0}},
      'lacks low_freq_factor, high_freq_factor of',
    ),
    (
      {'rope_parameters': {'full': {'rope_theta': 1e4}}},
      'differ between layers',
    ),
    ({'partial_rotary_factor': 0.5}, 'partial_rotary_factor of 0.5'),
    ({'hidden_act': 'relu'}, "activation 'relu'"),
    ({'num_local_experts': 8}, 'mixture of experts'),
    ({'quantization_config': {'quant_method': 'awq'}}, "quantized by 'awq'"),
    ({'sliding_window': 32}, 'window of 32 tokens'),
  ],
)
def test_unsupported_features_are_named(settings, named):
  with pytest.raises(InteropError, match=named):
    _config(**settings)


def test_all_unsupported_features_are_named_at_once():
  with pytest.raises(InteropError, match=r'attention_bias; mlp_bias.*window'):
    _config('mistral', attention_bias=True, mlp_bias=True, sliding_window=8)


def test_a_window_as_long_as_the_context_is_accepted():
  assert _config('mistral', sliding_window=None)
  assert _config('mistral', sliding_window=64)
  assert _config('mistral', sliding_window=32, context=32)
  # Qwen has a switch.
  off = {'sliding_window': 32, 'use_sliding_window': False}
  assert _config('qwen2', **off)
  with pytest.raises(InteropError, match='window'):
    _config('qwen2', **(off | {'use_sliding_window': True}))


def test_a_missing_size_is_named():
  with pytest.raises(InteropError, match=r'lacks hidden_size'):
    _config(hidden_size=None)


def test_other_families_are_refused():
  with pytest.raises(InteropError, match="type 'gemma'"):
    find_family({'model_type': 'gemma'})
  with pytest.raises(InteropError, match=r"'mixtral' \(mixture of experts\)"):
    find_family({'model_type': 'mixtral', 'num_local_experts': 8})
