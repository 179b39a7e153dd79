"""Qwen2 and Qwen2.5: Llama with biases of queries, keys and values."""

from flan_jax.interop import llama
from flan_jax.interop.family import Family

_ATTENTION = 'model.layers.{layer}.self_attn.'

FAMILY = Family(
  name='qwen2',
  architecture='Qwen2ForCausalLM',
  tensors={
    **llama.TENSORS,
    _ATTENTION + 'q_proj.bias': ('layers/query_bias', 'H*h'),
    _ATTENTION + 'k_proj.bias': ('layers/key_bias', 'K*h'),
    _ATTENTION + 'v_proj.bias': ('layers/value_bias', 'K*h'),
  },
  fields={'qkv_bias': True},
  window_switch='use_sliding_window',
)
