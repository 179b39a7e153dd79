"""A Hugging Face tokenizer.json as a vocabulary."""

from collections.abc import Mapping, Sequence
import hashlib
import pathlib
from typing import Any

from flan_jax.runtime.json_text import read_object, shown
from flan_jax.vocabulary.base import Vocabulary, VocabularyError

# Names the tokens that end a generated text.
GENERATION_CONFIG = 'generation_config.json'
TOKENIZER_CONFIG = 'tokenizer_config.json'
# The files that name special tokens; the first that names one takes precedence.
CONFIGS = (TOKENIZER_CONFIG, 'special_tokens_map.json')
# The special tokens that have a name there.
TOKENS = ('bos_token', 'eos_token', 'unk_token', 'pad_token')


class TokenizerVocabulary(Vocabulary):
  """A tokenizer.json with the settings in the same folder.

  `tokenizer_config.json` names the end token, which tokenizer.json does not.
  Sequences start with a token if the tokenizer itself adds one.
  """

  def __init__(self, path: str | pathlib.Path):
    """Reads the files; raises VocabularyError if one lacks what is needed."""
    path = pathlib.Path(path)
    self.path = str(path)
    self._tokenizer = _read(path)
    ids = self._tokenizer.get_vocab().values()
    if not ids:
      raise VocabularyError(f'{path} has no tokens: get the file again')
    self.size = 1 + max(ids)
    self.special = {
      str(token): number
      for number, token in self._tokenizer.get_added_tokens_decoder().items()
      if token.special
    }
    config = read_config(path.parent)
    self.eos_id = self._special_id(config, 'eos_token')
    if self.eos_id is None:
      raise VocabularyError(
        f'{path} does not define an end token: set "eos_token" in '
        f'{TOKENIZER_CONFIG}, in the same folder'
      )
    self._other_ends = self._find_other_ends(path.parent / GENERATION_CONFIG)
    self.bos_id = self._find_bos(config)
    # Text that looks like a special token is text.
    self._tokenizer.encode_special_tokens = True
    about = path.read_bytes() + repr((self.eos_id, self.bos_id)).encode()
    self.digest = hashlib.sha256(about).hexdigest()[:16]

  def _special_id(self, config: Mapping[str, Any], key: str) -> int | None:
    name = token_name(config, key)
    if name is None:
      return None
    number = self._tokenizer.token_to_id(name)
    if number is None:
      raise VocabularyError(
        f'{self.path} has no token {name!r}: correct the {key} in '
        f'{TOKENIZER_CONFIG}, in the same folder'
      )
    return number

  @property
  def end_ids(self) -> tuple[int, ...]:
    return (self.eos_id, *self._other_ends)

  def _find_other_ends(self, path: pathlib.Path) -> tuple[int, ...]:
    """Returns the ids that also end a generated text, such as a chat's turn.

    They do not change how texts are tokenized, so the digest has no part of
    them.
    """
    if not path.is_file():
      return ()
    stated = stated_ends(read_object(path, VocabularyError), str(path))
    for number in stated:
      if number >= self.size:
        raise VocabularyError(
          f'{path}: eos_token_id has {number}, but {self.path} has {self.size} '
          'tokens: correct it, or get the file again'
        )
    return tuple(number for number in stated if number != self.eos_id)

  def _find_bos(self, config: Mapping[str, Any]) -> int | None:
    """Returns the token that the tokenizer starts a sequence with, or None."""
    bos = self._special_id(config, 'bos_token')
    if config.get('add_bos_token') is not None:
      return bos if config['add_bos_token'] else None
    try:
      added = self._tokenizer.encode('a', add_special_tokens=True).ids
    except Exception as error:  # The Rust library raises no narrower type.
      raise VocabularyError(
        f'{self.path} cannot tokenize a text: {error}'
      ) from error
    return bos if bos is not None and added[:1] == [bos] else None

  def encode(self, text: str) -> list[int]:
    return self._tokenizer.encode(text, add_special_tokens=False).ids

  def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
    """Returns the ids of each text; releases Python's lock meanwhile."""
    # Leaves out offsets in the text, which takes time.
    encode = self._tokenizer.encode_batch_fast
    return [x.ids for x in encode(list(texts), add_special_tokens=False)]

  def decode(self, ids: Sequence[int]) -> str:
    ids = [int(i) for i in ids if i < self.size]
    return self._tokenizer.decode(ids, skip_special_tokens=True)


def stated_ends(config: Mapping[str, Any], where: str) -> list[int]:
  """Returns `eos_token_id` of a generation_config.json or config.json.

  Args:
    config: The contents of the file.
    where: The file, for the error.

  Raises:
    VocabularyError: it is neither an id nor a list of ids.
  """
  stated = config.get('eos_token_id')
  ids = stated if isinstance(stated, list) else [stated]
  ids = [] if stated is None else ids
  if any(type(number) is not int or number < 0 for number in ids):
    raise VocabularyError(
      f'{where}: eos_token_id is {shown(stated)}; it must be the id of a '
      'token, or a list of ids'
    )
  return list(dict.fromkeys(ids))


def _read(path: pathlib.Path) -> Any:
  import tokenizers

  try:
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
  except Exception as error:  # The Rust library raises no narrower type.
    raise VocabularyError(
      f'{path} is not a Hugging Face tokenizer: {error}'
    ) from error
  # TASK_FEATURE_LENGTHS decides lengths instead.
  tokenizer.no_truncation()
  tokenizer.no_padding()
  return tokenizer


def read_config(folder: pathlib.Path) -> dict[str, Any]:
  """Returns the settings of the tokenizer in a folder, {} if there are none.

  Raises:
    VocabularyError: a file of settings is not JSON, or a special token in it
      is no text.
  """
  config: dict[str, Any] = {}
  for name in CONFIGS:
    path = folder / name
    if not path.is_file():
      continue
    config = {**read_object(path, VocabularyError), **config}
  for key in TOKENS:
    _check_token(config.get(key), f'{folder}: {key} in {TOKENIZER_CONFIG}')
  adds = config.get('add_bos_token')
  if type(adds) not in (bool, type(None)):
    raise VocabularyError(
      f'{folder}: add_bos_token in {TOKENIZER_CONFIG} is {shown(adds)}; it '
      'must be true or false'
    )
  return config


def _check_token(token: Any, where: str) -> None:
  # A token with properties is an object.
  text = token.get('content') if isinstance(token, dict) else token
  if not isinstance(text, str) and token is not None:
    raise VocabularyError(
      f'{where} is {shown(token)}: it must be the text of a token'
    )


def token_name(config: Mapping[str, Any], key: str) -> str | None:
  """Returns the name of a special token such as `eos_token`, or None."""
  token = config.get(key)
  return token['content'] if isinstance(token, dict) else token
