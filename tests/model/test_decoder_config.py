import dataclasses

import pytest

from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig

SIZES = {
  'vocab_size': 32,
  'num_layers': 2,
  'd_model': 16,
  'd_ff': 24,
  'num_heads': 4,
  'num_kv_heads': 2,
  'head_dim': 4,
}


@pytest.mark.parametrize(
  'change, message',
  [
    ({'num_layers': 0}, 'num_layers is 0: it must be an integer of at least 1'),
    ({'d_ff': 2.5}, 'd_ff is 2.5: it must be an integer'),
    ({'num_kv_heads': 3}, 'num_heads=4 is not a multiple of num_kv_heads=3'),
    ({'position': 'alibi'}, "'alibi': it must be 'relative_bias' or"),
    ({'activation': 'relu'}, "activation is 'relu': it must be 'gelu', 'ge"),
    ({'compute_dtype': 'float16'}, "'float16': it must be 'float32' or"),
    ({'position': 'rope', 'head_dim': 3}, 'head_dim=3 must be even'),
    ({'position': 'rope', 'rope_width': 6}, 'rope_width=6 exceeds head_dim=4'),
    ({'position': 'rope', 'rope_factor': 2.0}, 'rope_factor=2.0 needs rope_sc'),
    ({'position': 'rope', 'rope_slow': 4.0}, 'rope_fast=4.0 must exceed'),
    ({'global_every': 2}, 'global_every=2 needs window'),
    ({'position': 'rope', 'rope_local_base': 9.0}, 'rope_local_base=9.0 needs'),
    ({'position': 'rope', 'rope_base': 1.0}, 'rope_base must exceed 1'),
    ({'relative_buckets': 7}, 'relative_buckets must be even'),
    ({'relative_max_distance': 16}, 'must exceed half'),
    ({'dropout_rate': 1.0}, 'dropout_rate is 1.0: it must be .* below 1'),
    ({'norm_eps': 0.0}, 'norm_eps is 0.0: it must be a number above 0'),
  ],
)
def test_rejects_what_cannot_be_computed(change, message):
  with pytest.raises(ConfigError, match=message):
    DecoderConfig(**{**SIZES, **change})


def test_is_frozen():
  with pytest.raises(dataclasses.FrozenInstanceError):
    DecoderConfig(**SIZES).d_model = 8
