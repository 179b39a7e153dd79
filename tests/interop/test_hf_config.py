"""Unsupported features are named before a weight is read."""

import pytest

from flan_jax.interop import (
  FAMILIES,
  InteropError,
  decoder_config,
  family_for,
  find_family,
)
from flan_jax.interop.hf_config import to_hf_config
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
  ],
)
def test_unsupported_features_are_named(settings, named):
  with pytest.raises(InteropError, match=named):
    _config(**settings)


def test_all_unsupported_features_are_named_at_once():
  types = ['full_attention', 'sliding_attention', 'sliding_attention']
  with pytest.raises(InteropError, match=r'attention_bias; mlp_bias.*windows'):
    _config(
      'mistral',
      attention_bias=True,
      mlp_bias=True,
      sliding_window=8,
      layer_types=types,
    )


def test_a_window_as_long_as_the_context_has_no_effect():
  assert _config('mistral', sliding_window=32).window == 32
  assert _config('mistral', sliding_window=None).window is None
  assert _config('mistral', sliding_window=64).window is None
  assert _config('mistral', sliding_window=32, context=32).window is None


def test_layers_with_a_window():
  # Qwen has a switch, and windows from a layer on.
  qwen = {'sliding_window': 32, 'max_window_layers': 0}
  assert _config('qwen2', **qwen, use_sliding_window=False).window is None
  assert _config('qwen2', **qwen, use_sliding_window=True).window == 32
  qwen |= {'max_window_layers': 1, 'use_sliding_window': True}
  with pytest.raises(InteropError, match=r'without a period \(--context=32'):
    _config('qwen2', **qwen)
  near, full = 'sliding_attention', 'full_attention'
  for types, every in (
    ([near, near, near], None),
    ([near, full, near], 2),
    ([near, near, full], 3),
  ):
    config = _config('gemma2', sliding_window=32, layer_types=types)
    assert (config.window, config.global_every) == (32, every)
  assert _config('gemma2', layer_types=[full] * 3).window is None
  for types, named in (([near], 'of 1 layers'), (['linear'] * 3, "'linear'")):
    with pytest.raises(InteropError, match=named):
      _config('gemma2', layer_types=types)


def test_a_window_without_an_effect_is_stated_where_it_has_to_be():
  family = FAMILIES['gemma2']
  config = _config('gemma2', sliding_window=32, context=32)
  stated = to_hf_config(family, config, 32)
  assert stated['sliding_window'] == 32
  assert set(stated['layer_types']) == {'full_attention'}
  assert decoder_config(family, stated) == config
  assert family_for(config) is family
  # A Llama with a window is a Mistral.
  config = _config('llama', sliding_window=32)
  assert family_for(config) is FAMILIES['mistral']


def test_rotations_of_gemma_3_in_older_and_newer_files():
  older = {
    'rope_theta': 5e5,
    'rope_local_base_freq': 2e4,
    'rope_scaling': {'rope_type': 'linear', 'factor': 8.0},
  }
  newer = {
    'rope_parameters': {
      'full_attention': {
        'rope_type': 'linear',
        'factor': 8.0,
        'rope_theta': 5e5,
      },
      'sliding_attention': {'rope_type': 'default', 'rope_theta': 2e4},
    }
  }
  config = _config('gemma3_text', sliding_window=32, **older)
  assert (config.rope_base, config.rope_local_base) == (5e5, 2e4)
  assert (config.rope_scaling, config.rope_factor) == ('linear', 8.0)
  assert _config('gemma3_text', sliding_window=32, **newer) == config
  newer['rope_parameters']['sliding_attention']['rope_type'] = 'yarn'
  with pytest.raises(InteropError, match='differ between layers'):
    _config('gemma3_text', sliding_window=32, **newer)


def test_a_missing_size_is_named():
  with pytest.raises(InteropError, match=r'lacks hidden_size'):
    _config(hidden_size=None)


def test_other_families_are_refused():
  with pytest.raises(InteropError, match="type 'gemma'"):
    find_family({'model_type': 'gemma'})
  with pytest.raises(InteropError, match=r"'gemma3' \(with images\) cannot"):
    find_family({'model_type': 'gemma3'})
  with pytest.raises(InteropError, match=r"'mixtral' \(mixture of experts\)"):
    find_family({'model_type': 'mixtral', 'num_local_experts': 8})
