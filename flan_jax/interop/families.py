"""The families of models, and how Hugging Face's files lay them out."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

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
      parameter, such as 'layers/query'. Tensors whose parameter a configuration
      does not have are not expected.
    fields: Fields of `DecoderConfig` that are the same in the whole family.
    window_switch: Key of config.json that switches `sliding_window` on; None
      if it is always on.
    buffers: Names of tensors that repeat the frequencies of RoPE.
  """

  name: str
  architecture: str
  tensors: Mapping[str, str]
  fields: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  window_switch: str | None = None
  buffers: tuple[str, ...] = ()


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

# Llama 2 and 3, SmolLM and SmolLM2, and most models of type llama.
_LLAMA = Family(
  name='llama',
  architecture='LlamaForCausalLM',
  tensors=_LLAMA_TENSORS,
  # The first was saved by older versions of transformers.
  buffers=(_ATTENTION + 'rotary_emb.inv_freq', FACTORS),
)
# Llama, with an attention window in its first version.
_MISTRAL = Family(
  name='mistral',
  architecture='MistralForCausalLM',
  tensors=_LLAMA_TENSORS,
)
# Qwen2 and Qwen2.5: Llama with biases of queries, keys and values.
_QWEN2 = Family(
  name='qwen2',
  architecture='Qwen2ForCausalLM',
  tensors={
    **_LLAMA_TENSORS,
    _ATTENTION + 'q_proj.bias': 'layers/query_bias',
    _ATTENTION + 'k_proj.bias': 'layers/key_bias',
    _ATTENTION + 'v_proj.bias': 'layers/value_bias',
  },
  fields={'qkv_bias': True},
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
  window_switch='use_sliding_window',
)

FAMILIES = {f.name: f for f in (_LLAMA, _MISTRAL, _QWEN2, _QWEN3)}


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
    + f' cannot be imported; supported are {", ".join(FAMILIES)}'
  )


def family_for(config: DecoderConfig) -> Family:
  """Returns the family whose `transformers` class computes a decoder.

  Raises:
    InteropError: there is none.
  """
  if config.position != 'rope':
    raise InteropError(
      f'transformers has no decoder with position={config.position!r} like '
      "ours; only models with position='rope' can be exported"
    )
  # Llama and Mistral compute the same.
  for family in FAMILIES.values():
    fields = {'qkv_bias': False, 'qk_norm': False, **family.fields}
    if all(getattr(config, name) == value for name, value in fields.items()):
      return family
  raise InteropError(
    'transformers has no class with both qkv_bias and qk_norm, so this model '
    'cannot be exported'
  )


@dataclasses.dataclass(frozen=True)
class Mapped:
  """The tensor of one parameter, or of one layer of a stacked parameter."""

  param: str  # Our parameter, such as 'layers/query'.
  layer: int | None  # Index of the layer; None if it is not stacked.
  source: str  # Name of the tensor.
  shape: tuple[int, ...]  # Shape of the tensor.
  transposed: bool  # Whether ours is its transpose.


def mapped_arrays(family: Family, config: DecoderConfig) -> Iterator[Mapped]:
  """Yields the tensors of a model, the layers of a parameter together."""
  params = traverse_util.flatten_dict(abstract_params(config), sep='/')
  for name, param in family.tensors.items():
    if param not in params:
      continue
    layers, shape = (None,), params[param].shape
    if param.startswith('layers/'):
      layers, shape = range(shape[0]), shape[1:]
    # Linear layers of PyTorch are stored as [output, input].
    transposed = len(shape) == 2 and param != 'embedding'
    shape = shape[::-1] if transposed else shape
    for layer in layers:
      yield Mapped(param, layer, name.format(layer=layer), shape, transposed)
