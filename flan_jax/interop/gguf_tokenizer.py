"""Rebuilds the tokenizer of a GGUF file from its metadata."""

from collections.abc import Callable
import pathlib
from typing import Any

from flan_jax.interop import tokenizer_json
from flan_jax.interop.model_source import InteropError
from flan_jax.interop.tokenizer_json import SPLITTINGS

Field = Callable[..., Any]

_PREFIX = 'tokenizer.ggml.'
# These start sequences with a token unless the metadata says otherwise.
_ADDS_BOS = ('llama-bpe',)


def write(field: Field, folder: pathlib.Path) -> None:
  """Writes tokenizer.json and tokenizer_config.json.

  Args:
    field: Returns a value of the metadata by name, or a default.
    folder: The folder to write to.

  Raises:
    InteropError: tokenizers of this kind are not supported.
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
  elif kind == 'gpt2' and splitting in SPLITTINGS:
    tokenizer = tokenizer_json.byte_level_bpe(
      pieces, field(f'{_PREFIX}merges'), SPLITTINGS[splitting]
    )
  else:
    raise InteropError(
      f'the tokenizer ({kind}, {splitting}) cannot be rebuilt; supported are '
      f'llama, and gpt2 with {", ".join(SPLITTINGS)}'
    )
  adds_bos = kind == 'llama' or splitting in _ADDS_BOS
  settings = {
    'add_bos_token': field(f'{_PREFIX}add_bos_token', adds_bos),
    'chat_template': field('tokenizer.chat_template'),
  }
  uses = {'bos': 'bos', 'eos': 'eos', 'padding': 'pad', 'unknown': 'unk'}
  for theirs, ours in uses.items():
    number = field(f'{_PREFIX}{theirs}_token_id')
    if number is not None:
      settings[f'{ours}_token'] = pieces.names[number]
  tokenizer_json.save(tokenizer, folder, settings)
