"""Rebuilds a tokenizer from the metadata of a GGUF file."""

from collections.abc import Callable
import pathlib
from typing import Any

from flan_jax.interop import tokenizer_json
from flan_jax.interop.model_source import InteropError

Field = Callable[..., Any]

_PREFIX = 'tokenizer.ggml.'
# Sequences of these start with a token where the metadata does not say.
_STARTED = ('llama-bpe',)


def write(field: Field, folder: pathlib.Path) -> None:
  """Writes tokenizer.json and tokenizer_config.json.

  Args:
    field: Returns a value of the metadata by its name, or the default given.
    folder: Where.

  Raises:
    InteropError: the tokenizer is of a kind that we do not know.
  """
  kind, splitting = field(f'{_PREFIX}model'), field(f'{_PREFIX}pre', 'gpt-2')
  pieces = tokenizer_json.Pieces(
    names=field(f'{_PREFIX}tokens', ()),
    types=field(f'{_PREFIX}token_type', ()),
    scores=field(f'{_PREFIX}scores', ()),
  )
  if kind == 'llama':
    tokenizer = tokenizer_json.sentencepiece_bpe(
      pieces, space_prefix=field(f'{_PREFIX}add_space_prefix', True)
    )
  elif kind == 'gpt2' and splitting in tokenizer_json.SPLITTINGS:
    tokenizer = tokenizer_json.byte_level_bpe(
      pieces,
      field(f'{_PREFIX}merges'),
      tokenizer_json.SPLITTINGS[splitting],
    )
  else:
    known = ', '.join(tokenizer_json.SPLITTINGS)
    raise InteropError(
      f'the tokenizer ({kind}, {splitting}) is not among those that can be '
      f'rebuilt: llama, or gpt2 with {known}'
    )
  started = kind == 'llama' or splitting in _STARTED
  settings = {
    'bos_token': _token(field, pieces, 'bos'),
    'eos_token': _token(field, pieces, 'eos'),
    'pad_token': _token(field, pieces, 'padding'),
    'unk_token': _token(field, pieces, 'unknown'),
    'add_bos_token': field(f'{_PREFIX}add_bos_token', started),
    'chat_template': field('tokenizer.chat_template'),
  }
  tokenizer_json.save(tokenizer, folder, settings)


def _token(field: Field, pieces: tokenizer_json.Pieces, use: str) -> str | None:
  number = field(f'{_PREFIX}{use}_token_id')
  return None if number is None else pieces.names[number]
