"""Rebuilds the tokenizer of a GGUF file from its metadata."""

from collections.abc import Callable
import pathlib
from typing import Any

from flan_jax.interop import tokenizer_json
from flan_jax.interop.model_source import InteropError
from flan_jax.interop.output_folder import write_json
from flan_jax.interop.tokenizer_json import SPLITTINGS
from flan_jax.runtime.json_text import shown
from flan_jax.vocabulary.hugging_face import GENERATION_CONFIG, stated_ends

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
    names=_list(field, 'tokens', str),
    types=_list(field, 'token_type', int),
    scores=_list(field, 'scores', float),
  )
  if kind == 'llama':
    tokenizer = tokenizer_json.sentencepiece_bpe(
      pieces, space_prefix=field(f'{_PREFIX}add_space_prefix', True)
    )
  elif (
    kind == 'gpt2' and isinstance(splitting, str) and splitting in SPLITTINGS
  ):
    tokenizer = tokenizer_json.byte_level_bpe(
      pieces, _merges(field), SPLITTINGS[str(splitting)]
    )
  else:
    raise InteropError(
      f'the tokenizer ({shown(kind)}, {shown(splitting)}) cannot be rebuilt; '
      f'supported are llama, and gpt2 with {", ".join(SPLITTINGS)}'
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
      if type(number) is not int or not 0 <= number < len(pieces.names):
        raise InteropError(
          f'the tokenizer has no token {shown(number)}, its {theirs}_token_id: '
          'get the file again'
        )
      settings[f'{ours}_token'] = pieces.names[number]
  tokenizer_json.save(tokenizer, folder, settings)
  # The end token first, then those of a chat's turn and message.
  found = (field(f'{_PREFIX}{use}_token_id') for use in ('eos', 'eot', 'eom'))
  ends = {'eos_token_id': [number for number in found if number is not None]}
  stated_ends(ends, 'the tokenizer')
  write_json(folder / GENERATION_CONFIG, ends)


def _merges(field: Field) -> list[str]:
  merges = _list(field, 'merges', str)
  if not merges or any(merge.count(' ') != 1 for merge in merges):
    raise InteropError(
      f'{_PREFIX}merges must be a list of "LEFT RIGHT": get the file again'
    )
  return merges


def _list(field: Field, name: str, kind: type) -> list[Any]:
  """Returns a list of the metadata; [] if there is none."""
  found = field(f'{_PREFIX}{name}', [])
  if not isinstance(found, list) or not all(type(x) is kind for x in found):
    raise InteropError(
      f'{_PREFIX}{name} must be a list of {kind.__name__}: get the file again'
    )
  return found
