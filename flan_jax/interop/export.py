"""Writes a model as a Hugging Face folder."""

from collections.abc import Iterator, Mapping
import json
import pathlib
from typing import Any

# Registers bfloat16 with NumPy.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax.interop import tokenizer_json
from flan_jax.interop.family import Family, mapped_arrays
from flan_jax.interop.hf_config import to_hf_config
from flan_jax.interop.safetensors_folder import INDEX
from flan_jax.model import DecoderConfig
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.hugging_face import read_config, token_name

# Larger models are split into several files; a larger tensor has its own. One
# file is in memory at a time.
SHARD_BYTES = 2 * 10**9

# Where the tokenizer does not state a context length: tokens of a training row.
_CONTEXT = 2048

_README = """\
# {name}

Fine-tuned with flan_jax. A prompt is this Python format string,

    {prompt!r}

and an answer ends with `{end}`. The input and the text around it were tokenized
separately.
"""


def write_weights(
  folder: pathlib.Path,
  family: Family,
  config: DecoderConfig,
  params: Mapping[str, Any],
  dtype: str,
  shard_bytes: int = SHARD_BYTES,
) -> None:
  """Writes *.safetensors, with an index if there are several.

  Args:
    folder: The folder to write to.
    family: Family of the model.
    config: Shape of the decoder.
    params: Its parameters.
    dtype: Type to write.
    shard_bytes: Maximum size of a file in bytes.
  """
  from safetensors import numpy as safetensors_numpy

  plan = _shards(family, config, np.dtype(dtype).itemsize, shard_bytes)
  weight_map: dict[str, str] = {}
  for number, names in enumerate(plan, start=1):
    file = 'model.safetensors'
    if len(plan) > 1:
      file = f'model-{number:05d}-of-{len(plan):05d}.safetensors'
    tensors = dict(_tensors(family, config, params, dtype, names))
    # transformers requires the format.
    safetensors_numpy.save_file(tensors, folder / file, {'format': 'pt'})
    weight_map |= dict.fromkeys(tensors, file)
  if len(plan) > 1:
    size = config.param_count() * np.dtype(dtype).itemsize
    index = {'metadata': {'total_size': size}, 'weight_map': weight_map}
    _write_json(folder / INDEX, index)


def _shards(
  family: Family, config: DecoderConfig, item_bytes: int, most: int
) -> list[set[str]]:
  """Returns the names of the tensors of each file."""
  shards: list[set[str]] = []
  left = 0
  for array in mapped_arrays(family, config):
    size = int(np.prod(array.shape)) * item_bytes
    if size > left or not shards:
      shards.append(set())
      left = most
    shards[-1].add(array.source)
    left -= size
  return shards


def _tensors(
  family: Family,
  config: DecoderConfig,
  params: Mapping[str, Any],
  dtype: str,
  names: set[str],
) -> Iterator[tuple[str, np.ndarray]]:
  """Yields the named tensors in Hugging Face's orientation."""
  for array in mapped_arrays(family, config):
    if array.source not in names:
      continue
    outer, _, inner = array.param.partition('/')
    values = params[outer][inner][array.layer] if inner else params[outer]
    values = np.asarray(values).astype(dtype, copy=False)
    # safetensors ignores strides.
    yield (
      array.source,
      np.ascontiguousarray(values.T if array.transposed else values),
    )


def write_settings(
  folder: pathlib.Path,
  family: Family,
  config: DecoderConfig,
  vocabulary: Vocabulary,
  dtype: str,
) -> None:
  """Writes config.json and generation_config.json.

  Args:
    folder: The folder; it holds the tokenizer.
    family: Family of the model.
    config: Shape of the decoder.
    vocabulary: Vocabulary of the model.
    dtype: Type of the weights.
  """
  pad = token_name(read_config(folder), 'pad_token')
  ids = {
    'bos_token_id': vocabulary.bos_id,
    'eos_token_id': vocabulary.eos_id,
    'pad_token_id': vocabulary.special.get(pad),
  }
  ids = {name: number for name, number in ids.items() if number is not None}
  context = tokenizer_json.context(folder) or _CONTEXT
  settings = to_hf_config(family, config, context)
  _write_json(folder / 'config.json', {**settings, 'torch_dtype': dtype, **ids})
  _write_json(folder / 'generation_config.json', ids)


def write_readme(folder: pathlib.Path, prompt_format: str | None) -> None:
  """Writes a README.md that states the prompt format.

  Args:
    folder: The folder; it holds the tokenizer.
    prompt_format: PROMPT_FORMAT of the training run.
  """
  end = token_name(read_config(folder), 'eos_token')
  prompt = '{input}' + end if prompt_format is None else prompt_format
  text = _README.format(name=folder.name, prompt=prompt, end=end)
  (folder / 'README.md').write_text(text, encoding='utf-8')


def _write_json(path: pathlib.Path, content: Mapping[str, Any]) -> None:
  text = json.dumps(content, indent=2, ensure_ascii=False)
  path.write_text(text + '\n', encoding='utf-8')
