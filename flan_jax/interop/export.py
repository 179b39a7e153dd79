"""Writes a model as a Hugging Face folder."""

from collections.abc import Iterable, Mapping
import math
import pathlib
from typing import Any

from flax import traverse_util

# Registers bfloat16 with NumPy.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax.interop.chat_template import write_chat_template
from flan_jax.interop.families import Family, Mapped, mapped_arrays
from flan_jax.interop.hf_config import to_hf_config
from flan_jax.interop.output_folder import write_json, write_tensors
from flan_jax.interop.safetensors_folder import INDEX
from flan_jax.interop.tokenizer_json import CONTEXT
from flan_jax.model import DecoderConfig
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.hugging_face import (
  GENERATION_CONFIG,
  read_config,
  token_name,
)

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
separately, as here:

```python
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

folder = '.'  # The path of this folder.
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
texts = ({before!r}, 'Is the sky blue?', {after!r})
tokens = {start}
for text in texts:
  tokens += tokenizer.encode(text, add_special_tokens=False)
prompt = torch.tensor([tokens])
made = model.generate(
  prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=32
)
print(tokenizer.decode(made[0, len(tokens) :], skip_special_tokens=True))
```

The chat template makes the same text of a user's message. Where it is tokenized
as a whole, tokens may reach across the ends of the input.
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
    family: From `family_for`.
    config: Shape of the decoder.
    params: Its parameters.
    dtype: Type of the tensors.
    shard_bytes: Maximum size of a file in bytes.
  """
  item_bytes = np.dtype(dtype).itemsize
  shards = _shards(mapped_arrays(family, config), item_bytes, shard_bytes)
  flat = traverse_util.flatten_dict(params, sep='/')
  weight_map: dict[str, str] = {}
  for number, arrays in enumerate(shards, start=1):
    file = 'model.safetensors'
    if len(shards) > 1:
      file = f'model-{number:05d}-of-{len(shards):05d}.safetensors'
    tensors = {a.source: _tensor(flat, a, dtype) for a in arrays}
    write_tensors(folder / file, tensors)
    weight_map |= dict.fromkeys(tensors, file)
  if len(shards) > 1:
    size = config.param_count() * item_bytes
    index = {'metadata': {'total_size': size}, 'weight_map': weight_map}
    write_json(folder / INDEX, index)


def _shards(
  arrays: Iterable[Mapped], item_bytes: int, most: int
) -> list[list[Mapped]]:
  """Returns the tensors of each file."""
  shards: list[list[Mapped]] = []
  left = 0
  for array in arrays:
    size = math.prod(array.shape) * item_bytes
    if size > left or not shards:
      shards.append([])
      left = most
    shards[-1].append(array)
    left -= size
  return shards


def _tensor(params: Mapping[str, Any], array: Mapped, dtype: str) -> np.ndarray:
  """Returns a tensor in Hugging Face's orientation."""
  parts = []
  for name in array.params:
    values = params[name] if array.layer is None else params[name][array.layer]
    values = np.asarray(values).astype(dtype, copy=False)
    parts.append(values.T if array.transposed else values)
  if len(parts) > 1:
    # The rows of each head, of all parameters in turn.
    by_head = [p.reshape(-1, array.head_dim, *p.shape[1:]) for p in parts]
    parts = [np.stack(by_head, axis=1).reshape(array.shape)]
  # safetensors ignores strides.
  return np.ascontiguousarray(parts[0])


def write_settings(
  folder: pathlib.Path,
  family: Family,
  config: DecoderConfig,
  vocabulary: Vocabulary,
  dtype: str,
) -> None:
  """Writes config.json and generation_config.json beside a tokenizer.

  Args:
    folder: The folder of the tokenizer.
    family: From `family_for`.
    config: Shape of the decoder.
    vocabulary: Vocabulary of the model.
    dtype: Type of the weights.
  """
  tokenizer = read_config(folder)
  pad = token_name(tokenizer, 'pad_token')
  ends = vocabulary.end_ids
  ids = {
    'bos_token_id': vocabulary.bos_id,
    'eos_token_id': ends[0] if len(ends) == 1 else list(ends),
    'pad_token_id': vocabulary.special.get(pad),
  }
  ids = {name: number for name, number in ids.items() if number is not None}
  context = tokenizer.get(CONTEXT) or _CONTEXT
  settings = to_hf_config(family, config, context)
  write_json(folder / 'config.json', {**settings, 'torch_dtype': dtype, **ids})
  write_json(folder / GENERATION_CONFIG, ids)


def write_usage(
  folder: pathlib.Path, vocabulary: Vocabulary, prompt_format: str | None
) -> None:
  """Makes a model's folder say how it is prompted.

  Writes the chat template, and a README.md with an example.

  Args:
    folder: The folder of model and tokenizer.
    vocabulary: Vocabulary of the model.
    prompt_format: PROMPT_FORMAT of the training run.
  """
  end = token_name(read_config(folder), 'eos_token')
  prompt = '{input}' + end if prompt_format is None else prompt_format
  adds_bos = vocabulary.bos_id is not None
  write_chat_template(folder, prompt, adds_bos)
  before, after = prompt.split('{input}')
  text = _README.format(
    name=folder.name,
    prompt=prompt,
    end=end,
    before=before,
    after=after,
    start='[tokenizer.bos_token_id]' if adds_bos else '[]',
  )
  (folder / 'README.md').write_text(text, encoding='utf-8')
