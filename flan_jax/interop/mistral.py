"""Mistral: Llama, with an attention window in its first version."""

from flan_jax.interop import llama
from flan_jax.interop.family import Family

FAMILY = Family(
  name='mistral',
  architecture='MistralForCausalLM',
  tensors=llama.TENSORS,
)
