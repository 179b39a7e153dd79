"""Writes a soft prompt as an adapter that `peft` loads.

The folder holds `adapter_config.json` and `adapter_model.safetensors` with one
tensor, `prompt_embeddings` [P, D]. `peft` puts the vectors before the first
token of the input, BOS included, as this project does.
"""

import pathlib

import numpy as np

from flan_jax.interop.output_folder import write_json, write_tensors
from flan_jax.model import DecoderConfig


def write_adapter(
  folder: pathlib.Path,
  vectors_PxD: np.ndarray,
  config: DecoderConfig,
  base: str | None,
) -> None:
  """Writes the two files of an adapter.

  Args:
    folder: An empty folder.
    vectors_PxD: The vectors of the prompt.
    config: Shape of the base model.
    base: What `peft` shall load the base model from, if known.
  """
  settings = {
    'peft_type': 'PROMPT_TUNING',
    'task_type': 'CAUSAL_LM',
    'base_model_name_or_path': base,
    'inference_mode': True,
    'num_virtual_tokens': len(vectors_PxD),
    'token_dim': config.d_model,
    'num_layers': config.num_layers,
    'num_attention_heads': config.num_heads,
    'num_transformer_submodules': 1,
    # Not used: the vectors are loaded.
    'prompt_tuning_init': 'RANDOM',
  }
  tensors = {'prompt_embeddings': np.ascontiguousarray(vectors_PxD)}
  write_tensors(folder / 'adapter_model.safetensors', tensors)
  write_json(folder / 'adapter_config.json', settings)
