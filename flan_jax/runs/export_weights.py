"""`flan-jax export`: checkpoint -> folder for `transformers` or `peft`."""

import argparse
from collections.abc import Sequence
import dataclasses

# Registers bfloat16 with NumPy.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax import interop
from flan_jax.cache.framing import CacheConfig
from flan_jax.command_flags.export_flags import make_parser
from flan_jax.evaluation.soft_prompts import SoftPrompt
from flan_jax.interop import base_model, export
from flan_jax.interop.export_tokenizer import write_tokenizer
from flan_jax.interop.output_folder import check_output, new_output
from flan_jax.interop.params import import_mesh
from flan_jax.interop.peft_folder import write_lora, write_prompt
from flan_jax.interop.recorded_vocabulary import open_vocabulary
from flan_jax.model.adapters import base_config
from flan_jax.setting_types import check, kinds_of
from flan_jax.sharding import replicated
from flan_jax.terminal.screen import show
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import (
  check_no_prompt,
  has_adapters,
  recorded_model,
)
from flan_jax.training.model_checkpoint import (
  restore_adapters,
  restore_model,
)


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags.

  Raises:
    UserError: the model cannot be exported.
  """
  flags = make_parser().parse_args(argv)
  check_output(flags.out)
  if flags.prompt is not None:
    _export_prompt(flags.prompt, flags.base, flags.dtype, flags.out)
  elif flags.adapters is not None:
    _export_adapters(flags)
  else:
    _export_model(flags)
  return 0


def _export_prompt(prompt: str, base: str | None, dtype: str, out: str) -> None:
  found = SoftPrompt.find(prompt)
  recorded = recorded_model(found.record, found.path)
  model = dataclasses.replace(recorded, prompt_vectors=0)
  # Refuses shapes that `transformers` has no class for, as for a model.
  interop.family_for(model)
  whole = replicated(import_mesh(model))
  vectors = np.asarray(found.vectors(model, whole)).astype(dtype)
  with new_output(out) as folder:
    write_prompt(folder, vectors, model, base)
  show([f'{out}: PROMPT_TUNING, {len(vectors)} vectors of {found.path}'])


def _export_adapters(flags: argparse.Namespace) -> None:
  record = Checkpointer.read_record(flags.adapters)
  if not has_adapters(record):
    raise interop.InteropError(
      f'{flags.adapters} holds no adapters (LORA_RANK): use --checkpoint'
    )
  recorded = recorded_model(record, flags.adapters)
  family = interop.family_for(base_config(recorded))
  model, adapters = restore_adapters(
    flags.adapters, recorded, import_mesh(recorded), flags.ema
  )
  with new_output(flags.out) as out:
    write_lora(out, family, adapters, model, flags.dtype, flags.base)
  count = f'{model.lora_count():,} parameters'
  show([f'{out}: LORA of rank {model.lora_rank}, {count}'])


def _export_model(flags: argparse.Namespace) -> None:
  record = Checkpointer.read_record(flags.checkpoint)
  check_no_prompt(record, flags.checkpoint)
  config = base_config(recorded_model(record, flags.checkpoint))
  family = interop.family_for(config)
  path = base_model.locate(flags.vocabulary, flags.cache_dir)
  vocabulary = open_vocabulary(record, flags.checkpoint, path)
  prompt_format = record.get('prompt_format')
  check(
    f'prompt_format in {flags.checkpoint}',
    kinds_of(CacheConfig)['prompt_format'],
    prompt_format,
  )
  params = restore_model(
    flags.checkpoint,
    config,
    import_mesh(config),
    flags.ema,
    flags.base_checkpoint,
  )
  with new_output(flags.out) as out:
    write_tokenizer(vocabulary, out)
    export.write_weights(out, family, config, params, flags.dtype)
    export.write_settings(out, family, config, vocabulary, flags.dtype)
    if 'prompt_format' in record:
      export.write_usage(out, vocabulary, prompt_format)
  count = f'{config.param_count():,} parameters'
  show([f'{out}: {family.architecture}, {count}'])
