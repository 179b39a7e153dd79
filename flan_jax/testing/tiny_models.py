"""Writes small random models in Hugging Face format."""

from collections.abc import Mapping
import json
import pathlib
from typing import Any

# Registers bfloat16 with NumPy.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax.interop import decoder_config, find_family, tokenizer_json
from flan_jax.interop.families import mapped_arrays
from flan_jax.interop.safetensors_folder import INDEX

# Special tokens of the tokenizer, besides all bytes and some merges.
SPECIAL = ('<|start|>', '<|end|>', '<|user|>')
_MERGES = ('t h', 'th e', 'i n', 'a n', 'Ġ the', 'Ġ a', 'o n', 'e r')


def write_tokenizer(folder: pathlib.Path, adds_bos: bool = False) -> int:
  """Writes a small byte-level tokenizer; returns its number of tokens.

  Args:
    folder: The folder to write to.
    adds_bos: Whether sequences start with the BOS token.
  """
  from tokenizers import pre_tokenizers

  alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
  merged = [merge.replace(' ', '') for merge in _MERGES]
  names = [*SPECIAL, *alphabet, *merged]
  types = [tokenizer_json.CONTROL] * len(SPECIAL)
  types += [tokenizer_json.NORMAL] * (len(names) - len(SPECIAL))
  tokenizer = tokenizer_json.byte_level_bpe(
    tokenizer_json.Pieces(names, types),
    _MERGES,
    tokenizer_json.SPLITTINGS['gpt-2'],
  )
  start, end, _ = SPECIAL
  settings = {'bos_token': start, 'eos_token': end, 'add_bos_token': adds_bos}
  tokenizer_json.save(tokenizer, folder, settings)
  return len(names)


def write_model(
  folder: pathlib.Path,
  config: Mapping[str, Any],
  shard_bytes: int = 10**9,
  dtype: str = 'bfloat16',
) -> None:
  """Writes config.json and random *.safetensors with an index.

  Args:
    folder: The folder to write to.
    config: Contents of config.json.
    shard_bytes: Size in float32 at which the next file begins.
    dtype: Type of the weights.
  """
  from safetensors import numpy as safetensors_numpy

  (folder / 'config.json').write_text(json.dumps(dict(config)))
  family = find_family(config)
  arrays = list(mapped_arrays(family, decoder_config(family, config)))
  rng = np.random.default_rng(0)
  shard: dict[str, np.ndarray] = {}
  weight_map: dict[str, str] = {}
  for array in arrays:
    # Keeps logits moderate at any width.
    scale = array.shape[-1] ** -0.5
    values = scale * rng.standard_normal(array.shape, np.float32)
    shard[array.source] = values.astype(dtype)
    size = sum(values.nbytes for values in shard.values())
    if size > shard_bytes or array is arrays[-1]:
      number = len(set(weight_map.values())) + 1
      name = f'model-{number:05d}.safetensors'
      safetensors_numpy.save_file(shard, folder / name, {'format': 'pt'})
      weight_map |= dict.fromkeys(shard, name)
      shard = {}
  index = {'metadata': {}, 'weight_map': weight_map}
  (folder / INDEX).write_text(json.dumps(index))
