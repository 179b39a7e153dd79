"""`flan-jax import`: another's model -> checkpoint, tokenizer, gin file."""

import argparse
from collections.abc import Sequence
import dataclasses
import pathlib

from flan_jax import interop
from flan_jax.interop import chat_template, hf_config, model_gin, reference
from flan_jax.interop.params import import_mesh
from flan_jax.interop.tokenizer_json import set_context
from flan_jax.model import DecoderConfig
from flan_jax.training import Checkpointer
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary


def main(argv: Sequence[str]) -> int:
  """Runs the command.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code: 1 if --check finds that the model computes something else.

  Raises:
    InteropError, ValueError, OSError: the model cannot be imported.
  """
  flags = _parse(argv)
  if flags.check:
    reference.check_installed()
  out = pathlib.Path(flags.out).expanduser()
  if out.exists() and any(out.iterdir()):
    raise interop.InteropError(f'{out} is not empty')
  source = interop.open_source(flags.source)
  family = interop.find_family(interop.FAMILIES, source.config)
  config = interop.decoder_config(family, source.config, flags.context)
  out.mkdir(parents=True, exist_ok=True)
  vocabulary = _write_tokenizer(source, config, flags.context, out)
  params = interop.import_params(
    source, family, config, import_mesh(config), flags.dtype
  )
  _save(out, source, family, config, vocabulary, params)
  chat = chat_template.chat_prompt_format(
    out, starts=vocabulary.bos_id is not None
  )
  title = f'{source.path.name}, a {family.name} of {_count(config)}, imported.'
  path = model_gin.write(out, title, config, chat)
  print(f'{source.path}: a {family.name} of {_count(config)}')
  _say_padding(config, vocabulary)
  print(f'give after the run file: --gin_file={path}')
  if not flags.check:
    return 0
  compared = reference.compare(
    reference.load(source.path),
    config,
    params,
    vocabulary,
    _prompts(flags.prompts),
  )
  print(reference.table(compared))
  return 0 if all(one.fits for one in compared) else 1


def _prompts(path: str | None) -> tuple[str, ...]:
  """Returns the lines of a file, or the prompts that are compared without."""
  if path is None:
    return reference.PROMPTS
  text = pathlib.Path(path).read_text(encoding='utf-8')
  return tuple(filter(None, text.splitlines()))


def _write_tokenizer(
  source: interop.Source,
  config: DecoderConfig,
  context: int | None,
  out: pathlib.Path,
) -> Vocabulary:
  source.write_tokenizer(out)
  context = context or hf_config.context_length(source.config)
  if context is not None:
    set_context(out, context)
  vocabulary = load_vocabulary(str(out))
  if vocabulary.size > config.vocab_size:
    raise interop.InteropError(
      f'the tokenizer has {vocabulary.size} tokens, the embedding only '
      f'{config.vocab_size} rows'
    )
  return vocabulary


def _save(out, source, family, config, vocabulary, params) -> None:
  record = {
    'model': dataclasses.asdict(config),
    'vocabulary': vocabulary.record(),
    'imported': {'from': str(source.path.absolute()), 'family': family.name},
  }
  Checkpointer.save_params(out, params, record)


def _count(config: DecoderConfig) -> str:
  return f'{config.param_count():,} parameters'


def _say_padding(config: DecoderConfig, vocabulary: Vocabulary) -> None:
  padding = config.vocab_size - vocabulary.size
  if padding:
    print(
      f'{padding} of {config.vocab_size} rows of the embedding belong to no '
      'token; they take part in the softmax, as in transformers'
    )


def _parse(argv: Sequence[str]) -> argparse.Namespace:
  parser = argparse.ArgumentParser(
    prog='flan-jax import',
    description='Turns a model of the families '
    f'{", ".join(interop.FAMILIES)} into a checkpoint to start from, with its '
    'tokenizer and a gin file.',
    allow_abbrev=False,
  )
  parser.add_argument(
    '--from',
    dest='source',
    required=True,
    help='a Hugging Face folder, a GGUF file, or an installed package with one',
  )
  parser.add_argument('--out', required=True, help='folder to write')
  parser.add_argument(
    '--dtype',
    choices=('float32', 'bfloat16'),
    default='float32',
    help='type in which parameters are saved; training computes in float32 '
    'from either',
  )
  parser.add_argument(
    '--context',
    type=int,
    help='most tokens that it will read at once; all that it was made for by '
    'default',
  )
  parser.add_argument(
    '--check',
    action='store_true',
    help='compare with transformers on the CPU',
  )
  parser.add_argument(
    '--prompts', help='file of prompts for --check, one a line'
  )
  return parser.parse_args(argv)
