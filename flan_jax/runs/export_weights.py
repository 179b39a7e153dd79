"""`flan-jax export`: checkpoint -> folder for `transformers` or `peft`."""

import argparse
from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
import shlex
from typing import Any

# Registers bfloat16 with NumPy.
import ml_dtypes  # noqa: F401
import numpy as np

from flan_jax import interop
from flan_jax.evaluation.soft_prompts import SoftPrompt
from flan_jax.flags import FlagParser
from flan_jax.interop import export
from flan_jax.interop.export_tokenizer import write_tokenizer
from flan_jax.interop.output_folder import check_output, new_output
from flan_jax.interop.params import import_mesh
from flan_jax.interop.peft_folder import write_adapter
from flan_jax.model import abstract_params
from flan_jax.runtime.paths import user_path
from flan_jax.sharding import replicated
from flan_jax.terminal.screen import show
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import (
  check_no_prompt,
  recorded_model,
)
from flan_jax.vocabulary.base import Vocabulary, VocabularyError
from flan_jax.vocabulary.load import MINI, load_vocabulary


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags.

  Raises:
    UserError: the model cannot be exported.
  """
  flags = _parser().parse_args(argv)
  check_output(flags.out)
  if flags.prompt is not None:
    _export_prompt(flags.prompt, flags.base, flags.dtype, flags.out)
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
    write_adapter(folder, vectors, model, base)
  show([f'{out}: PROMPT_TUNING, {len(vectors)} vectors of {found.path}'])


def _export_model(flags: argparse.Namespace) -> None:
  record = Checkpointer.read_record(flags.checkpoint)
  check_no_prompt(record, flags.checkpoint)
  config = recorded_model(record, flags.checkpoint)
  family = interop.family_for(config)
  recorded = record.get('vocabulary')
  path = flags.vocabulary or _recorded_path(recorded, flags.checkpoint)
  vocabulary = _vocabulary(recorded, path)
  shapes = abstract_params(config, import_mesh(config))
  params = Checkpointer.restore_params(flags.checkpoint, shapes, flags.ema)
  with new_output(flags.out) as out:
    write_tokenizer(vocabulary, out)
    export.write_weights(out, family, config, params, flags.dtype)
    export.write_settings(out, family, config, vocabulary, flags.dtype)
    if 'prompt_format' in record:
      export.write_readme(out, record['prompt_format'])
  count = f'{config.param_count():,} parameters'
  show([f'{out}: {family.architecture}, {count}'])


def _recorded_path(recorded: Any, checkpoint: str) -> str:
  """Returns where the record of a checkpoint says that its vocabulary is.

  A checkpoint may be a stranger's, so its record opens no file outside.

  Raises:
    InteropError: it does not say, or the path is outside of the checkpoint.
  """
  path = recorded.get('path') if isinstance(recorded, dict) else None
  if not isinstance(path, str):
    raise interop.InteropError(
      'the checkpoint does not record its vocabulary: set --vocabulary'
    )
  if recorded.get('digest') == load_vocabulary(MINI).digest:
    return MINI
  folder = pathlib.Path(user_path(checkpoint)).resolve()
  if not pathlib.Path(user_path(path)).resolve().is_relative_to(folder):
    raise interop.InteropError(
      f'{checkpoint} records a vocabulary outside of it: if you trust the '
      f'file, set --vocabulary={shlex.quote(path)}'
    )
  return path


def _vocabulary(recorded: Mapping[str, Any] | None, path: str) -> Vocabulary:
  """Opens the vocabulary of a checkpoint."""
  try:
    vocabulary = load_vocabulary(path)
  except VocabularyError as error:
    raise interop.InteropError(f'{error} (set --vocabulary)') from error
  if recorded is not None and vocabulary.digest != recorded.get('digest'):
    raise interop.InteropError(
      f'{vocabulary.path} is not the vocabulary of the checkpoint: correct '
      '--vocabulary'
    )
  return vocabulary


def _parser() -> FlagParser:
  parser = FlagParser(
    'export',
    'Writes a checkpoint as a folder that transformers loads, or a soft prompt '
    'as one that peft loads.',
  )
  add = parser.add_argument
  source = parser.add_mutually_exclusive_group(required=True)
  source.add_argument(
    '--checkpoint',
    help='a checkpoint, or a model directory (its newest checkpoint)',
  )
  source.add_argument(
    '--prompt',
    help='a soft prompt: a checkpoint of prompt-tune, or its model directory '
    '(its best checkpoint)',
  )
  add('--base', help='folder of the exported base model, for --prompt')
  add(
    '--ema',
    action='store_true',
    help='the moving average of the parameters (EMA_DECAY)',
  )
  add('--out', required=True, help='folder to write')
  types = ('float32', 'bfloat16')
  add('--dtype', choices=types, default=types[0], help='type of the weights')
  add('--vocabulary', help='path of the vocabulary, if it is outside of it')
  return parser
