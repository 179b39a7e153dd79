"""The families of models, and how Hugging Face's files lay them out."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any, Literal

from flax import traverse_util

from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig, abstract_params


@dataclasses.dataclass(frozen=True)
class Family:
  """A kind of model in Hugging Face's format.

  Attributes:
    name: The `model_type` in config.json.
    architecture: The class of `transformers` that computes it.
    tensors: Name of a tensor, with {layer} for the index of a layer -> our
      parameter, such as 'layers/query'; or several, whose heads the tensor
      holds in turn. Tensors whose parameter a configuration does not have are
      not expected.
    fields: Fields of `DecoderConfig` that are the same in the whole family.
    settings: Key of config.json -> fields of `DecoderConfig` that it states.
    keys: What this family calls the keys of config.json that Llama also has.
    defaults: What `transformers` takes for keys that a config.json lacks.
    without: Keys of Llama's config.json that this family does not have.
    windows: The layers whose `sliding_window` the class of `transformers`
      reads: those that `layer_types` names, every layer or none.
    window_switch: Key of config.json that switches `sliding_window` on; None
      if it is always on.
    global_every: Period of the layers without a window if config.json does not
      state it.
    buffers: Names of tensors that repeat the frequencies of RoPE.
    ignored: Matches the names of other tensors that are not learned.
  """

  name: str
  architecture: str
  tensors: Mapping[str, str | tuple[str, ...]]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  settings: Mapping[str, tuple[str, ...]] = dataclasses.field(
    default_factory=dict
  )
  keys: Mapping[str, str] = dataclasses.field(default_factory=dict)
  defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  without: tuple[str, ...] = ()
  windows: Literal['named_layers', 'every_layer', 'none'] = 'none'
  window_switch: str | None = None
  global_every: int | None = None
  buffers: tuple[str, ...] = ()
  ignored: str = r'(?!)'

  def source_of(self, param: str) -> str:
    """Returns the name of the tensor of a parameter."""
    return next(name for name, own in self.tensors.items() if own == param)


# What divides each frequency of RoPE, in GGUF files of Llama 3.1 and later.
FACTORS = 'rope_freqs.weight'
_LAYER = 'model.layers.{layer}.'
_ATTENTION = _LAYER + 'self_attn.'

_LLAMA_TENSORS = {
  'model.embed_tokens.weight': 'embedding',
  _LAYER + 'input_layernorm.weight': 'layers/attention_norm',
  _ATTENTION + 'q_proj.weight': 'layers/query',
  _ATTENTION + 'k_proj.weight': 'layers/key',
  _ATTENTION + 'v_proj.weight': 'layers/value',
  _ATTENTION + 'o_proj.weight': 'layers/output',
  _LAYER + 'post_attention_layernorm.weight': 'layers/feed_forward_norm',
  _LAYER + 'mlp.gate_proj.weight': 'layers/gate',
  _LAYER + 'mlp.up_proj.weight': 'layers/up',
  _LAYER + 'mlp.down_proj.weight': 'layers/down',
  'model.norm.weight': 'final_norm',
  'lm_head.weight': 'unembedding',
}

_QKV_BIASES = {
  _ATTENTION + 'q_proj.bias': 'layers/query_bias',
  _ATTENTION + 'k_proj.bias': 'layers/key_bias',
  _ATTENTION + 'v_proj.bias': 'layers/value_bias',
}
_ATTENTION_BIAS = {'attention_bias': ('qkv_bias', 'output_bias')}

# Llama 2 and 3, SmolLM and SmolLM2, and most models of type llama.
_LLAMA = Family(
  name='llama',
  architecture='LlamaForCausalLM',
  tensors={
    **_LLAMA_TENSORS,
    **_QKV_BIASES,
    _ATTENTION + 'o_proj.bias': 'layers/output_bias',
    _LAYER + 'mlp.gate_proj.bias': 'layers/gate_bias',
    _LAYER + 'mlp.up_proj.bias': 'layers/up_bias',
    _LAYER + 'mlp.down_proj.bias': 'layers/down_bias',
  },
  settings={**_ATTENTION_BIAS, 'mlp_bias': ('feed_forward_bias',)},
  # The first was saved by older versions of transformers.
  buffers=(_ATTENTION + 'rotary_emb.inv_freq', FACTORS),
)
# Llama, with an attention window in its first version.
_MISTRAL = Family(
  name='mistral',
  architecture='MistralForCausalLM',
  tensors=_LLAMA_TENSORS,
  windows='every_layer',
)
# Qwen2 and Qwen2.5: Llama with biases of queries, keys and values.
_QWEN2 = Family(
  name='qwen2',
  architecture='Qwen2ForCausalLM',
  tensors={**_LLAMA_TENSORS, **_QKV_BIASES},
  fields={'qkv_bias': True},
  windows='named_layers',
  window_switch='use_sliding_window',
)
# Llama with RMSNorm of the heads of queries and keys.
_QWEN3 = Family(
  name='qwen3',
  architecture='Qwen3ForCausalLM',
  tensors={
    **_LLAMA_TENSORS,
    _ATTENTION + 'q_norm.weight': 'layers/query_norm',
    _ATTENTION + 'k_norm.weight': 'layers/key_norm',
  },
  fields={'qk_norm': True},
  windows='named_layers',
  window_switch='use_sliding_window',
)

_NEOX_LAYER = 'gpt_neox.layers.{layer}.'
_QKV = ('layers/query', 'layers/key', 'layers/value')
# GPT-NeoX 20B, Pythia, Dolly, and others trained with that library.
_GPT_NEOX = Family(
  name='gpt_neox',
  architecture='GPTNeoXForCausalLM',
  tensors={
    'gpt_neox.embed_in.weight': 'embedding',
    _NEOX_LAYER + 'input_layernorm.weight': 'layers/attention_norm',
    _NEOX_LAYER + 'input_layernorm.bias': 'layers/attention_norm_bias',
    _NEOX_LAYER + 'attention.query_key_value.weight': _QKV,
    _NEOX_LAYER + 'attention.query_key_value.bias': tuple(
      f'{name}_bias' for name in _QKV
    ),
    _NEOX_LAYER + 'attention.dense.weight': 'layers/output',
    _NEOX_LAYER + 'attention.dense.bias': 'layers/output_bias',
    _NEOX_LAYER + 'post_attention_layernorm.weight': 'layers/feed_forward_norm',
    _NEOX_LAYER + 'post_attention_layernorm.bias': (
      'layers/feed_forward_norm_bias'
    ),
    _NEOX_LAYER + 'mlp.dense_h_to_4h.weight': 'layers/up',
    _NEOX_LAYER + 'mlp.dense_h_to_4h.bias': 'layers/up_bias',
    _NEOX_LAYER + 'mlp.dense_4h_to_h.weight': 'layers/down',
    _NEOX_LAYER + 'mlp.dense_4h_to_h.bias': 'layers/down_bias',
    'gpt_neox.final_layer_norm.weight': 'final_norm',
    'gpt_neox.final_layer_norm.bias': 'final_norm_bias',
    'embed_out.weight': 'unembedding',
  },
  fields={'norm': 'layer', 'gated': False, 'feed_forward_bias': True},
  settings={**_ATTENTION_BIAS, 'use_parallel_residual': ('parallel_block',)},
  keys={
    'rms_norm_eps': 'layer_norm_eps',
    'rope_theta': 'rotary_emb_base',
    'partial_rotary_factor': 'rotary_pct',
  },
  defaults={
    'attention_bias': True,
    'use_parallel_residual': True,
    'hidden_act': 'gelu',
    'rms_norm_eps': 1e-5,
    'partial_rotary_factor': 0.25,
  },
  without=('num_key_value_heads', 'head_dim'),
  buffers=(_NEOX_LAYER + 'attention.rotary_emb.inv_freq',),
  # Masks, which older versions of transformers saved.
  ignored=r'gpt_neox\.layers\.\d+\.attention\.(masked_)?bias',
)

# Llama with norms after the blocks, and of all heads of queries and keys.
_OLMO2 = Family(
  name='olmo2',
  architecture='Olmo2ForCausalLM',
  tensors={
    name: param
    for name, param in {
      **_LLAMA.tensors,
      _ATTENTION + 'q_norm.weight': 'layers/query_norm',
      _ATTENTION + 'k_norm.weight': 'layers/key_norm',
      _LAYER + 'post_attention_layernorm.weight': 'layers/attention_norm_after',
      _LAYER + 'post_feedforward_layernorm.weight': (
        'layers/feed_forward_norm_after'
      ),
    }.items()
    if param != 'layers/attention_norm'
  },
  fields={'norm_place': 'after', 'qk_norm': True, 'qk_norm_heads': 'all'},
  settings=_ATTENTION_BIAS,
  defaults={'rms_norm_eps': 1e-5},
)

_GEMMA_LAYER = {
  _LAYER + 'post_attention_layernorm.weight': 'layers/attention_norm_after',
  _LAYER + 'pre_feedforward_layernorm.weight': 'layers/feed_forward_norm',
  _LAYER + 'post_feedforward_layernorm.weight': (
    'layers/feed_forward_norm_after'
  ),
}
_GEMMA_SETTINGS = {
  'query_pre_attn_scalar': ('query_scalar',),
  'attn_logit_softcapping': ('attention_softcap',),
  'final_logit_softcapping': ('logits_softcap',),
}
_GEMMA_FIELDS = {
  'norm_place': 'both',
  'norm_from_one': True,
  'scale_embedding': True,
}
_GEMMA_DEFAULTS = {
  'head_dim': 256,
  'hidden_act': 'gelu_pytorch_tanh',
  'tie_word_embeddings': True,
  'query_pre_attn_scalar': 256,
  'sliding_window': 4096,
}
_GEMMA2 = Family(
  name='gemma2',
  architecture='Gemma2ForCausalLM',
  tensors={**_LLAMA_TENSORS, **_GEMMA_LAYER},
  fields=_GEMMA_FIELDS,
  settings=_GEMMA_SETTINGS,
  keys={'hidden_act': 'hidden_activation'},
  defaults={
    **_GEMMA_DEFAULTS,
    'attn_logit_softcapping': 50.0,
    'final_logit_softcapping': 30.0,
  },
  windows='named_layers',
  global_every=2,
)
# The text model; those that also see images are of type gemma3.
_GEMMA3 = Family(
  name='gemma3_text',
  architecture='Gemma3ForCausalLM',
  tensors={
    **_LLAMA_TENSORS,
    **_GEMMA_LAYER,
    _ATTENTION + 'q_norm.weight': 'layers/query_norm',
    _ATTENTION + 'k_norm.weight': 'layers/key_norm',
  },
  fields={**_GEMMA_FIELDS, 'qk_norm': True},
  settings={
    **_GEMMA_SETTINGS,
    'rope_local_base_freq': ('rope_local_base',),
  },
  keys={'hidden_act': 'hidden_activation'},
  defaults={
    **_GEMMA_DEFAULTS,
    'rope_theta': 1e6,
    'rope_local_base_freq': 1e4,
  },
  windows='named_layers',
  global_every=6,
)

FAMILIES = {
  f.name: f
  for f in (
    *(_LLAMA, _MISTRAL, _QWEN2, _QWEN3),
    *(_GPT_NEOX, _OLMO2, _GEMMA2, _GEMMA3),
  )
}


def find_family(config: Mapping[str, Any]) -> Family:
  """Returns the family of a config.json.

  Raises:
    InteropError: models of this type are not supported.
  """
  name = config.get('model_type')
  if name in FAMILIES:
    return FAMILIES[name]
  experts = ('num_local_experts', 'num_experts', 'n_routed_experts')
  mixture = any(config.get(key) for key in experts)
  raise InteropError(
    f'models of type {name!r}'
    + (' (mixture of experts)' if mixture else '')
    + (' (with images)' if f'{name}_text' in FAMILIES else '')
    + f' cannot be imported; supported are {", ".join(FAMILIES)}'
  )


@dataclasses.dataclass(frozen=True)
class Mapped:
  """A tensor of one parameter, or of one layer of a stacked parameter.

  It may hold several parameters: for each head the rows of the first, of the
  second, and so on.
  """

  params: tuple[str, ...]  # Our parameters, such as 'layers/query'.
  layer: int | None  # Index of the layer; None if it is not stacked.
  source: str  # Name of the tensor.
  shape: tuple[int, ...]  # Shape of the tensor.
  transposed: bool  # Whether ours is its transpose.
  head_dim: int  # Rows of a head.


def mapped_arrays(family: Family, config: DecoderConfig) -> Iterator[Mapped]:
  """Yields the tensors of a model, the layers of a parameter together."""
  params = traverse_util.flatten_dict(abstract_params(config), sep='/')
  for name, owned in family.tensors.items():
    owned = (owned,) if isinstance(owned, str) else owned
    if owned[0] not in params:
      continue
    layers, shape = (None,), params[owned[0]].shape
    if owned[0].startswith('layers/'):
      layers, shape = range(shape[0]), shape[1:]
    # Linear layers of PyTorch are stored as [output, input].
    transposed = len(shape) == 2 and owned != ('embedding',)
    shape = shape[::-1] if transposed else shape
    shape = (len(owned) * shape[0], *shape[1:])
    for layer in layers:
      source = name.format(layer=layer)
      yield Mapped(owned, layer, source, shape, transposed, config.head_dim)
