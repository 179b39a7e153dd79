"""Qwen3: Llama with RMSNorm of the heads of queries and keys."""

from flan_jax.interop import llama
from flan_jax.interop.family import Family

_ATTENTION = 'model.layers.{layer}.self_attn.'

FAMILY = Family(
  name='qwen3',
  architecture='Qwen3ForCausalLM',
  tensors={
    **llama.TENSORS,
    _ATTENTION + 'q_norm.weight': ('layers/query_norm', 'h'),
    _ATTENTION + 'k_norm.weight': ('layers/key_norm', 'h'),
  },
  fields={'qk_norm': True},
  window_switch='use_sliding_window',
)
