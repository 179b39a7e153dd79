"""`flan-jax export`: a checkpoint -> a folder that `transformers` loads."""

import argparse
from collections.abc import Mapping, Sequence
import pathlib
from typing import Any

from flan_jax import interop
from flan_jax.cache.cached_split import INPUT
from flan_jax.interop import export, hf_config, tokenizer_json
from flan_jax.interop.export_tokenizer import write_tokenizer
from flan_jax.interop.params import import_mesh
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.training import CheckpointDamagedError, Checkpointer
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.hugging_face import read_config, token_name
from flan_jax.vocabulary.load import load_vocabulary

# Tokens of a row in training, where a tokenizer does not say for how many the
# model was made.
_CONTEXT = 2048

_README = """\
# {name}

Tuned with flan_jax. A prompt is, as a Python string with `input` put in,

    {prompt!r}

and an answer ends in `{end}`. Input and what surrounds it were tokenized apart.
"""


def main(argv: Sequence[str]) -> int:
  """Runs the command.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code, 0.

  Raises:
    InteropError, ValueError, OSError: the model cannot be exported.
  """
  flags = _parse(argv)
  out = pathlib.Path(flags.out).expanduser()
  if out.exists() and any(out.iterdir()):
    raise interop.InteropError(f'{out} is not empty')
  record = Checkpointer.read_record(flags.checkpoint)
  config = DecoderConfig(**record['model'])
  family = interop.family_for(config)
  vocabulary = _vocabulary(record, flags.vocabulary)
  try:
    params = Checkpointer.restore_params(
      flags.checkpoint, abstract_params(config, import_mesh(config))
    )
  except CheckpointDamagedError as error:
    raise interop.InteropError(str(error)) from error
  out.mkdir(parents=True, exist_ok=True)
  write_tokenizer(vocabulary, out)
  export.write_weights(out, family, config, params, flags.dtype)
  settings = read_config(out)
  ids = _special_ids(vocabulary, settings)
  context = tokenizer_json.context(out) or _CONTEXT
  about = hf_config.to_hf_config(family, config, context)
  export.write_json(
    out / 'config.json', {**about, 'torch_dtype': flags.dtype, **ids}
  )
  export.write_json(out / 'generation_config.json', ids)
  if 'prompt_format' in record:
    text = _README.format(
      name=out.name,
      prompt=_prompt(
        record['prompt_format'], token_name(settings, 'eos_token')
      ),
      end=token_name(settings, 'eos_token'),
    )
    (out / 'README.md').write_text(text, encoding='utf-8')
  print(f'{out}: {family.architecture}, {config.param_count():,} parameters')
  return 0


def _vocabulary(record: Mapping[str, Any], path: str | None) -> Vocabulary:
  """Opens the vocabulary that a checkpoint was trained with.

  Args:
    record: That of the checkpoint.
    path: Where the vocabulary is now; None: where it was then.

  Raises:
    InteropError: it is another one, or the checkpoint does not say which.
  """
  known = record.get('vocabulary')
  if path is None and known is None:
    raise interop.InteropError(
      'the checkpoint does not say which vocabulary it was trained with: give '
      '--vocabulary'
    )
  try:
    vocabulary = load_vocabulary(path or known['path'])
  except FileNotFoundError as error:
    raise interop.InteropError(f'{error} (give --vocabulary)') from error
  if known is not None and vocabulary.digest != known['digest']:
    raise interop.InteropError(
      f'{vocabulary.path} is not the vocabulary that the checkpoint was '
      'trained with'
    )
  return vocabulary


def _special_ids(
  vocabulary: Vocabulary, settings: Mapping[str, Any]
) -> dict[str, int]:
  """Returns the ids that generation asks for."""
  ids = {'bos': vocabulary.bos_id, 'eos': vocabulary.eos_id}
  pad = token_name(settings, 'pad_token')
  ids['pad'] = None if pad is None else vocabulary.special.get(pad)
  return {f'{use}_token_id': i for use, i in ids.items() if i is not None}


def _prompt(prompt_format: str | None, end: str) -> str:
  """Returns what a prompt is around '{input}'."""
  return INPUT + end if prompt_format is None else prompt_format


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='flan-jax export',
    description='Writes a checkpoint as a folder that transformers loads.',
    allow_abbrev=False,
  )
  parser.add_argument(
    '--checkpoint',
    required=True,
    help='a checkpoint, or a model directory, whose newest one is taken',
  )
  parser.add_argument('--out', required=True, help='folder to write')
  parser.add_argument(
    '--dtype', choices=('float32', 'bfloat16'), default='float32'
  )
  parser.add_argument(
    '--vocabulary', help='where the vocabulary is, if it was moved'
  )
  return parser.parse_args(argv)
