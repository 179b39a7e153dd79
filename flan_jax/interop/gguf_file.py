"""A model in a GGUF file; tensors are dequantized one at a time."""

from collections.abc import Mapping
import pathlib
import re
from typing import Any

import numpy as np

from flan_jax.errors import UserError
from flan_jax.interop import gguf_header, gguf_tokenizer
from flan_jax.interop.config_types import check_types
from flan_jax.interop.families import FACTORS
from flan_jax.interop.model_source import Index, InteropError
from flan_jax.runtime.json_text import shown

# GGUF also calls Mistral models llama; both compute the same.
_ARCHITECTURES = ('llama', 'qwen2', 'qwen3')

# GGUF's metadata, prefixed by the architecture, and the keys of config.json.
_CONFIG_KEYS = {
  'context_length': 'max_position_embeddings',
  'embedding_length': 'hidden_size',
  'block_count': 'num_hidden_layers',
  'feed_forward_length': 'intermediate_size',
  'attention.head_count': 'num_attention_heads',
  'attention.head_count_kv': 'num_key_value_heads',
  'attention.key_length': 'head_dim',
  'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
  'attention.sliding_window': 'sliding_window',
  'rope.freq_base': 'rope_theta',
  'expert_count': 'num_local_experts',
}
_SCALING_KEYS = {
  'type': 'rope_type',
  'factor': 'factor',
  'original_context_length': 'original_max_position_embeddings',
  'yarn_beta_fast': 'beta_fast',
  'yarn_beta_slow': 'beta_slow',
}
# Llama 3.1 and later store what divides each frequency, and no settings; all of
# them were published with these.
_LLAMA3 = {
  'rope_type': 'llama3',
  'low_freq_factor': 1.0,
  'high_freq_factor': 4.0,
  'original_max_position_embeddings': 8192,
}

_EMBEDDING = 'token_embd.weight'
_TENSORS = {
  _EMBEDDING: 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
}
# Per layer, without 'blk.N.' and 'model.layers.N.'; weight or bias.
_LAYER_TENSORS = {
  'attn_norm': 'input_layernorm',
  'attn_q': 'self_attn.q_proj',
  'attn_k': 'self_attn.k_proj',
  'attn_v': 'self_attn.v_proj',
  'attn_q_norm': 'self_attn.q_norm',
  'attn_k_norm': 'self_attn.k_norm',
  'attn_output': 'self_attn.o_proj',
  'ffn_norm': 'post_attention_layernorm',
  'ffn_gate': 'mlp.gate_proj',
  'ffn_up': 'mlp.up_proj',
  'ffn_down': 'mlp.down_proj',
}
_LAYER_NAME = re.compile(r'blk\.(\d+)\.(\w+)\.(weight|bias)')


class GgufFile:
  """A model in one GGUF file; see `Source`."""

  def __init__(self, path: pathlib.Path):
    """Reads the metadata.

    Raises:
      InteropError: the file is damaged or only part of a model, the
        architecture is not supported, or the package gguf is not installed.
    """
    try:
      import gguf
    except ImportError:
      raise InteropError(
        f"{path} needs the package gguf: pip install 'flan_jax[gguf]'"
      ) from None

    self.path = path
    gguf_header.check_whole(path)
    try:
      reader = gguf.GGUFReader(path)
    # Such as a name that occurs twice, or is not UTF-8.
    except (ValueError, LookupError, ArithmeticError, TypeError) as error:
      raise InteropError(
        f'{path} is damaged ({error}): get the file again'
      ) from error
    self._fields: Mapping[str, Any] = reader.fields
    if self.field('split.count', 1) != 1:
      raise InteropError(
        f'{path} is one of several files: merge them with llama-gguf-split'
      )
    self._tensors = {_hf_name(t.name): t for t in reader.tensors}
    if len(self._tensors) < len(reader.tensors):
      raise InteropError(f'{path} has a tensor twice: get the file again')
    self.shapes = {
      name: tuple(reversed(tensor.shape.tolist()))
      for name, tensor in self._tensors.items()
    }
    if _TENSORS[_EMBEDDING] not in self.shapes:
      raise InteropError(f'{path} has no tensor {_EMBEDDING}: get it again')
    self.config = self._config()
    self._check_quantization()

  def field(self, name: str, default: Any = None) -> Any:
    """Returns a value of the metadata."""
    found = self._fields.get(name)
    try:
      return default if found is None else found.contents()
    except (ValueError, LookupError, TypeError) as error:
      raise InteropError(
        f'{self.path}: {name} cannot be read ({error}): get the file again'
      ) from error

  def _config(self) -> dict[str, Any]:
    kind = self.field('general.architecture')
    if kind not in _ARCHITECTURES:
      raise InteropError(
        f'{self.path}: the architecture {shown(kind)} cannot be imported; '
        f'supported are {", ".join(_ARCHITECTURES)}'
      )
    config = {
      ours: _plain(value)
      for key, ours in _CONFIG_KEYS.items()
      if (value := self.field(f'{kind}.{key}')) is not None
    }
    scaling = self._scaling(kind)
    if scaling.get('rope_type', 'none') != 'none':
      config['rope_scaling'] = scaling
    theirs = {ours: f'{kind}.{key}' for key, ours in _CONFIG_KEYS.items()}
    theirs |= {
      ours: f'{kind}.rope.scaling.{key}' for key, ours in _SCALING_KEYS.items()
    }
    check_types(config, str(self.path), theirs)
    for key in ('hidden_size', 'num_attention_heads'):
      if key not in config:
        raise InteropError(
          f'{self.path} lacks {theirs[key]}: get the file again'
        )
    width = config['hidden_size'] // config['num_attention_heads']
    width = config.get('head_dim', width)
    rotated = self.field(f'{kind}.rope.dimension_count', width)
    if type(rotated) is not int or rotated != width:
      share = rotated / width if type(rotated) is int else shown(rotated)
      config['partial_rotary_factor'] = share
    return {
      'model_type': kind,
      'vocab_size': self.shapes[_TENSORS[_EMBEDDING]][0],
      'tie_word_embeddings': 'lm_head.weight' not in self.shapes,
      **config,
    }

  def _scaling(self, kind: str) -> dict[str, Any]:
    """Returns the settings of RoPE's scaling, as in config.json."""
    if FACTORS in self.shapes:
      # The slowest pair is divided by the whole factor. Whether the others are
      # as they should be is checked with the tensors.
      whole = (slice(0, self.shapes[FACTORS][0]),)
      return {**_LLAMA3, 'factor': _plain(float(self.read(FACTORS, whole)[-1]))}
    return {
      ours: _plain(value)
      for key, ours in _SCALING_KEYS.items()
      if (value := self.field(f'{kind}.rope.scaling.{key}')) is not None
    }

  def _check_quantization(self) -> None:
    from gguf import quants

    kinds = {t.tensor_type: name for name, t in self._tensors.items()}
    for kind, name in kinds.items():
      _, size = gguf_header.block(kind.value, name)
      try:
        quants.dequantize(np.zeros((1, size), np.uint8), kind)
      except (NotImplementedError, ValueError) as error:
        raise InteropError(
          f'{self.path}: {name} is quantized by {kind.name}, which the package '
          'gguf cannot read: get the model in another quantization'
        ) from error

  def read(self, name: str, index: Index) -> np.ndarray:
    from gguf import quants

    tensor = self._tensors[name]
    # Whole rows are quantized.
    stored = np.asarray(tensor.data)[self._rows(name, index[0])]
    values = quants.dequantize(stored, tensor.tensor_type)
    return values[:, index[1]] if len(index) > 1 else values

  def _rows(self, name: str, rows: slice) -> slice | np.ndarray:
    """Returns the stored rows, which GGUF permutes in llama's queries and keys.

    Its RoPE rotates neighbors; Hugging Face's and ours rotate the halves of a
    head.
    """
    queries, keys = '.q_proj.' in name, '.k_proj.' in name
    if not (queries or keys) or self.config['model_type'] != 'llama':
      return rows
    heads = self.config['num_attention_heads']
    if keys:
      heads = self.config.get('num_key_value_heads') or heads
    stored = np.arange(self.shapes[name][0]).reshape(heads, -1, 2)
    return stored.swapaxes(1, 2).reshape(-1)[rows]

  def write_tokenizer(self, folder: pathlib.Path) -> None:
    try:
      gguf_tokenizer.write(self.field, folder)
    except (UserError, OSError):
      raise
    # The Rust library of tokenizers raises no narrower type.
    except Exception as error:
      raise InteropError(
        f'{self.path}: its tokenizer is damaged ({error}): get the file again'
      ) from error


def _plain(value: Any) -> Any:
  """Returns a float32 as the shortest decimal number that equals it."""
  return float(str(np.float32(value))) if isinstance(value, float) else value


def _hf_name(name: str) -> str:
  """Returns Hugging Face's name of a tensor; GGUF's if there is none."""
  found = _LAYER_NAME.fullmatch(name)
  if found is None or found[2] not in _LAYER_TENSORS:
    return _TENSORS.get(name, name)
  layer, part, kind = found.groups()
  return f'model.layers.{layer}.{_LAYER_TENSORS[part]}.{kind}'
