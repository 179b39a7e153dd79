"""Writes a soft prompt or LoRA adapters as a folder that `peft` loads.

The folder holds `adapter_config.json` and `adapter_model.safetensors`.
"""

from collections.abc import Mapping
import pathlib
from typing import Any

import numpy as np

from flan_jax.interop.families import Family, mapped_arrays
from flan_jax.interop.model_source import InteropError
from flan_jax.interop.output_folder import write_json, write_tensors
from flan_jax.model import DecoderConfig
from flan_jax.model.parameters import LORA_A, LORA_B

# What `peft` puts before the names of a model's tensors.
_MODEL = 'base_model.model.'


def write_prompt(
  folder: pathlib.Path,
  vectors_PxD: np.ndarray,
  config: DecoderConfig,
  base: str | None,
) -> None:
  """Writes a soft prompt, whose one tensor is `prompt_embeddings` [P, D].

  `peft` puts the vectors before the first token of the input, BOS included, as
  this project does.

  Args:
    folder: An empty folder.
    vectors_PxD: The vectors of the prompt.
    config: Shape of the base model.
    base: What `peft` shall load the base model from, if known.
  """
  settings = {
    'peft_type': 'PROMPT_TUNING',
    'num_virtual_tokens': len(vectors_PxD),
    'token_dim': config.d_model,
    'num_layers': config.num_layers,
    'num_attention_heads': config.num_heads,
    'num_transformer_submodules': 1,
    # Not used: the vectors are loaded.
    'prompt_tuning_init': 'RANDOM',
  }
  tensors = {'prompt_embeddings': np.ascontiguousarray(vectors_PxD)}
  _write(folder, settings, tensors, base)


def write_lora(
  folder: pathlib.Path,
  family: Family,
  adapters: Mapping[str, Any],
  config: DecoderConfig,
  dtype: str,
  base: str | None,
) -> None:
  """Writes adapters, as the tensors `lora_A` [r, X] and `lora_B` [Y, r].

  Args:
    folder: An empty folder.
    family: From `family_for`.
    adapters: The adapters, see `adapters.only`.
    config: Shape of the model with adapters.
    dtype: Type of the tensors.
    base: What `peft` shall load the base model from, if known.

  Raises:
    InteropError: A tensor of the family holds several projections.
  """
  adapted = {f'layers/{name}' for name in config.lora_projections}
  tensors, targets = {}, {}
  for array in mapped_arrays(family, config):
    if adapted.isdisjoint(array.params):
      continue
    module = array.source.removesuffix('.weight')
    if len(array.params) > 1:
      raise InteropError(
        f'{module} of {family.name} holds several projections, whose adapters '
        'peft has no place for: export the merged model with --checkpoint'
      )
    own = array.params[0].removeprefix('layers/')
    targets[module.rpartition('.')[2]] = None
    for part, name in ((LORA_A, 'lora_A'), (LORA_B, 'lora_B')):
      # Linear layers of PyTorch are stored as [output, input].
      values = np.asarray(adapters['layers'][own + part][array.layer]).T
      tensors[f'{_MODEL}{module}.{name}.weight'] = np.ascontiguousarray(
        values.astype(dtype, copy=False)
      )
  settings = {
    'peft_type': 'LORA',
    'r': config.lora_rank,
    'lora_alpha': config.lora_alpha,
    'lora_dropout': 0.0,
    'target_modules': list(targets),
    'bias': 'none',
  }
  _write(folder, settings, tensors, base)


def _write(folder, settings, tensors, base):
  common = {
    'task_type': 'CAUSAL_LM',
    'base_model_name_or_path': base,
    'inference_mode': True,
  }
  write_tensors(folder / 'adapter_model.safetensors', tensors)
  write_json(folder / 'adapter_config.json', {**settings, **common})
