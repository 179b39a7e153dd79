"""Llama 2 and 3, SmolLM and SmolLM2, and most models of type llama."""

from flan_jax.interop.family import Family

_LAYER = 'model.layers.{layer}.'

TENSORS = {
  'model.embed_tokens.weight': ('embedding', 'V D'),
  _LAYER + 'input_layernorm.weight': ('layers/attention_norm', 'D'),
  _LAYER + 'self_attn.q_proj.weight': ('layers/query', 'H*h D'),
  _LAYER + 'self_attn.k_proj.weight': ('layers/key', 'K*h D'),
  _LAYER + 'self_attn.v_proj.weight': ('layers/value', 'K*h D'),
  _LAYER + 'self_attn.o_proj.weight': ('layers/output', 'D H*h'),
  _LAYER + 'post_attention_layernorm.weight': ('layers/feed_forward_norm', 'D'),
  _LAYER + 'mlp.gate_proj.weight': ('layers/gate', 'F D'),
  _LAYER + 'mlp.up_proj.weight': ('layers/up', 'F D'),
  _LAYER + 'mlp.down_proj.weight': ('layers/down', 'D F'),
  'model.norm.weight': ('final_norm', 'D'),
  'lm_head.weight': ('unembedding', 'V D'),
}

FAMILY = Family(
  name='llama',
  architecture='LlamaForCausalLM',
  tensors=TENSORS,
  # Saved by older versions of transformers.
  buffers=(_LAYER + 'self_attn.rotary_emb.inv_freq',),
)
