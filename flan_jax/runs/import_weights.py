"""`flan-jax import`: pretrained model -> checkpoint, tokenizer, gin file."""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib
from typing import Any

from flan_jax import interop
from flan_jax.command_flags.import_flags import make_parser
from flan_jax.errors import ConfigError
from flan_jax.interop import model_gin, reference
from flan_jax.interop.chat_template import chat_prompt_format
from flan_jax.interop.families import Family
from flan_jax.interop.output_folder import check_output, new_output
from flan_jax.interop.params import check_layers, import_mesh
from flan_jax.interop.tokenizer_json import set_context
from flan_jax.model import DecoderConfig
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags.

  Returns:
    The exit code: 0, or 1 if --check finds that the logits differ.

  Raises:
    UserError: the model cannot be imported.
  """
  flags = make_parser().parse_args(argv)
  prompts = reference.read_prompts(flags.prompts)
  if flags.check:
    reference.check_installed()
  if flags.context is not None and flags.context < 1:
    raise ConfigError(f'--context={flags.context} must be at least 1')
  check_output(flags.out)
  source = interop.open_source(flags.source)
  family = interop.find_family(source.config)
  config = interop.decoder_config(family, source.config, flags.context)
  check_layers(source, config)
  with new_output(flags.out) as out:
    params, vocabulary = _import(flags, source, family, config, out)
  if not flags.check:
    return 0
  theirs = reference.load(source.path)
  compared = reference.compare(theirs, config, params, vocabulary, prompts)
  show([reference.table(compared)])
  return int(not all(one.fits for one in compared))


def _import(
  flags: argparse.Namespace,
  source: interop.Source,
  family: Family,
  config: DecoderConfig,
  out: pathlib.Path,
) -> tuple[Any, Vocabulary]:
  """Writes the folder of a model; returns its parameters and vocabulary."""
  source.write_tokenizer(out)
  context = flags.context or source.config.get('max_position_embeddings')
  if context is not None:
    set_context(out, context)
  vocabulary = load_vocabulary(str(out))
  padding = config.vocab_size - vocabulary.size
  if padding < 0:
    raise interop.InteropError(
      f'the tokenizer has {vocabulary.size} tokens, but the embedding only '
      f'{config.vocab_size} rows'
    )
  # Whatever can be wrong is found before weights are written.
  chat = chat_prompt_format(out, adds_bos=vocabulary.bos_id is not None)
  with Bar(f'reading {source.path.name}', unit='tensor') as bar:
    params = interop.import_params(
      source, family, config, import_mesh(config), flags.dtype, bar
    )
  record = {
    'model': dataclasses.asdict(config),
    'vocabulary': vocabulary.record(),
    'imported': {'from': str(source.path.absolute()), 'family': family.name},
  }
  with Bar(f'writing {out.name}'):
    Checkpointer.save_params(out, params, record)
  about = f'{family.name} model with {config.param_count():,} parameters'
  title = f'{source.path.name}, a {about}, imported.'
  path = model_gin.write(out, title, config, chat)
  show([f'{source.path}: {about}'])
  if padding:
    show(
      [
        f'{padding} of {config.vocab_size} rows of the embedding belong to no '
        'token; they take part in the softmax, as in transformers'
      ]
    )
  show([f'train, eval and infer take this model by --gin_file={path}'])
  return params, vocabulary
