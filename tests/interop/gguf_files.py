"""Writes GGUF files as llama.cpp's converter does."""

import numpy as np
import pytest

# The reader undoes names, permuted rows and quantization.
NAMES = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  'lm_head': 'output',
  'input_layernorm': 'attn_norm',
  'post_attention_layernorm': 'ffn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
}


def write(
  path,
  source,
  quantization='F32',
  fields=None,
  without=(),
  arch=None,
  extra=None,
):
  """Writes a model's tensors and metadata.

  Args:
    path: The file.
    source: An open Hugging Face folder.
    quantization: Type of the matrices.
    fields: More metadata, by full name.
    without: Metadata to leave out.
    arch: Architecture; None for the model's own.
    extra: More tensors, by GGUF's name.
  """
  gguf = pytest.importorskip('gguf')
  config = source.config
  arch = arch or config['model_type']
  writer = gguf.GGUFWriter(path, arch)
  metadata = {
    f'{arch}.context_length': config['max_position_embeddings'],
    f'{arch}.embedding_length': config['hidden_size'],
    f'{arch}.block_count': config['num_hidden_layers'],
    f'{arch}.feed_forward_length': config['intermediate_size'],
    f'{arch}.attention.head_count': config['num_attention_heads'],
    f'{arch}.attention.head_count_kv': config['num_key_value_heads'],
    f'{arch}.attention.key_length': config['head_dim'],
    f'{arch}.attention.layer_norm_rms_epsilon': config['rms_norm_eps'],
    f'{arch}.rope.freq_base': config.get('rope_theta', 10_000.0),
    **(fields or {}),
  }
  for name, value in metadata.items():
    if name not in without:
      add(writer, name, value)
  for name, shape in source.shapes.items():
    values = source.read(name, tuple(slice(0, size) for size in shape))
    values = values.astype(np.float32)
    if config['model_type'] == 'llama':
      values = _interleaved(name, values, config)
    kind = gguf.GGMLQuantizationType[quantization if values.ndim > 1 else 'F32']
    data = gguf.quants.quantize(values, kind)
    writer.add_tensor(gguf_name(name), data, raw_dtype=kind)
  for name, values in (extra or {}).items():
    writer.add_tensor(name, values)
  writer.write_header_to_file()
  writer.write_kv_data_to_file()
  writer.write_tensors_to_file()
  writer.close()


def add(writer, name, value):
  """Adds a value to the metadata with the type it has in Python."""
  if isinstance(value, bool):
    writer.add_bool(name, value)
  elif isinstance(value, int):
    writer.add_uint32(name, value)
  elif isinstance(value, float):
    writer.add_float32(name, value)
  elif isinstance(value, str):
    writer.add_string(name, value)
  else:
    writer.add_array(name, value)


def gguf_name(name):
  """Returns the GGUF name of a Hugging Face tensor."""
  stem, _, kind = name.rpartition('.')
  if not stem.startswith('model.layers.'):
    return f'{NAMES[stem]}.{kind}'
  _, _, layer, part = stem.split('.', 3)
  return f'blk.{layer}.{NAMES[part]}.{kind}'


def _interleaved(name, values, config):
  """Puts rows i and i + half of each head next to each other."""
  heads = {
    'q_proj': config['num_attention_heads'],
    'k_proj': config['num_key_value_heads'],
  }.get(name.split('.')[-2])
  if heads is None:
    return values
  halves = values.reshape(heads, 2, -1, values.shape[-1])
  return halves.swapaxes(1, 2).reshape(values.shape)
