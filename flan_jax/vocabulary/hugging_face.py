"""A Hugging Face tokenizer.json as a vocabulary."""

from collections.abc import Mapping, Sequence
import functools
import hashlib
import json
import pathlib
from typing import Any

from flan_jax.vocabulary.base import Vocabulary

TOKENIZER_CONFIG = 'tokenizer_config.json'
# Where the names of special tokens stand, the first file that has them counts.
_CONFIGS = (TOKENIZER_CONFIG, 'special_tokens_map.json')


class TokenizerVocabulary(Vocabulary):
  """A tokenizer.json with the settings that lie beside it.

  tokenizer.json does not say which token ends a text; tokenizer_config.json
  does. Sequences start with a token where the tokenizer itself adds one.
  """

  def __init__(self, path: str | pathlib.Path):
    """Reads the files.

    Raises:
      ValueError: no file says which token ends a text, or it does not exist.
    """
    path = pathlib.Path(path)
    self.path = str(path)
    self._tokenizer = _read(path)
    self.size = 1 + max(self._tokenizer.get_vocab().values())
    self.special = {
      str(token): number
      for number, token in self._tokenizer.get_added_tokens_decoder().items()
      if token.special
    }
    config = read_config(path.parent)
    self.eos_id = self._special_id(config, 'eos_token')
    if self.eos_id is None:
      raise ValueError(
        f'{path} does not say which token ends a text: {TOKENIZER_CONFIG} '
        'beside it must name the "eos_token"'
      )
    self.bos_id = self._starts_with(config)
    # As data sees it: what looks like a special token is text.
    self._tokenizer.encode_special_tokens = True
    about = path.read_bytes() + repr((self.eos_id, self.bos_id)).encode()
    self.digest = hashlib.sha256(about).hexdigest()[:16]

  def _special_id(self, config: Mapping[str, Any], key: str) -> int | None:
    name = token_name(config, key)
    if name is None:
      return None
    number = self._tokenizer.token_to_id(name)
    if number is None:
      raise ValueError(f'{self.path} has no token {name!r}, the {key}')
    return number

  def _starts_with(self, config: Mapping[str, Any]) -> int | None:
    """Returns the token that starts a sequence, if the tokenizer adds it."""
    bos = self._special_id(config, 'bos_token')
    if config.get('add_bos_token') is not None:
      return bos if config['add_bos_token'] else None
    added = self._tokenizer.encode('a', add_special_tokens=True).ids
    return bos if bos is not None and added[:1] == [bos] else None

  def encode(self, text: str) -> list[int]:
    return self._tokenizer.encode(text, add_special_tokens=False).ids

  def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
    """Returns the ids of each text; other threads run meanwhile."""
    # Without the places of tokens in the text, which nobody asks for.
    encoded = self._tokenizer.encode_batch_fast(
      list(texts), add_special_tokens=False
    )
    return [encoding.ids for encoding in encoded]

  def decode(self, ids: Sequence[int]) -> str:
    ids = [int(i) for i in ids if i < self.size]
    return self._tokenizer.decode(ids, skip_special_tokens=True)

  @functools.cached_property
  def _seqio(self) -> Any:
    from flan_jax.vocabulary.seqio import BatchTokenizerVocabulary

    return BatchTokenizerVocabulary(self)

  def as_seqio(self) -> Any:
    return self._seqio


def _read(path: pathlib.Path) -> Any:
  import tokenizers

  tokenizer = tokenizers.Tokenizer.from_file(str(path))
  # Lengths are ours to decide.
  tokenizer.no_truncation()
  tokenizer.no_padding()
  return tokenizer


def read_config(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the settings beside a tokenizer.json, {} where there are none."""
  config: dict[str, Any] = {}
  for name in _CONFIGS:
    if (folder / name).is_file():
      read = json.loads((folder / name).read_text(encoding='utf-8'))
      config = {**read, **config}
  return config


def token_name(config: Mapping[str, Any], key: str) -> str | None:
  """Returns the name of a special token, as eos_token, or None."""
  token = config.get(key)
  # An object where it has properties beside its name.
  return token['content'] if isinstance(token, dict) else token
