"""Builds tokenizer.json from pieces, and writes it as Hugging Face expects.

For sources that hold a tokenizer in another form: GGUF's metadata and
SentencePiece models.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any

from flan_jax.vocabulary.base import TOKENIZER_JSON
from flan_jax.vocabulary.hugging_face import TOKENIZER_CONFIG, read_config

# How a piece is used; the numbers are those of SentencePiece, and of GGUF.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

# Hugging Face's name for the tokens that a model was made for.
CONTEXT = 'model_max_length'

_SPACE = '▁'

# Before byte-level BPE, text is split by one of these, which are part of what a
# model has learned. The contractions, then words, numbers, signs and spaces.
_SPLIT = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}"
  r'| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)


@dataclasses.dataclass(frozen=True)
class Splitting:
  """What happens to text before byte-level BPE.

  Attributes:
    pattern: Regular expression of the parts; None: GPT-2's.
    single_digits: Whether each digit is a part of its own.
    compose: Whether characters are composed first (Unicode's NFC), so that not
      every text comes back as it was.
    whole_parts: Whether a part that is a token is not split further, merged
      or not.
  """

  pattern: str | None = None
  single_digits: bool = False
  compose: bool = False
  whole_parts: bool = False


# By the names that GGUF files call them.
SPLITTINGS = {
  'gpt-2': Splitting(),
  'smollm': Splitting(single_digits=True),
  'llama-bpe': Splitting(
    pattern=_SPLIT.format(numbers=r'\p{N}{1,3}'), whole_parts=True
  ),
  'qwen2': Splitting(pattern=_SPLIT.format(numbers=r'\p{N}'), compose=True),
}


@dataclasses.dataclass(frozen=True)
class Pieces:
  """The vocabulary of a tokenizer, all lists by id.

  Attributes:
    names: Text of each piece.
    types: How each is used, see `NORMAL`.
    scores: Of SentencePiece's pieces, the higher the sooner; else empty.
  """

  names: Sequence[str]
  types: Sequence[int]
  scores: Sequence[float] = ()

  def ids(self) -> dict[str, int]:
    """Ids of the pieces that are used at all."""
    return {
      name: number
      for number, name in enumerate(self.names)
      if self.types[number] != UNUSED
    }

  def of_type(self, kind: int) -> list[str]:
    pairs = zip(self.names, self.types, strict=True)
    return [name for name, own in pairs if own == kind]


def byte_level_bpe(
  pieces: Pieces, merges: Sequence[str], splitting: Splitting
) -> Any:
  """Returns a `tokenizers.Tokenizer` in the manner of GPT-2.

  Args:
    pieces: In GPT-2's alphabet of bytes.
    merges: Pairs of pieces, 'left right', the first to be merged first.
    splitting: What happens before.
  """
  import tokenizers
  from tokenizers import decoders, models, normalizers, pre_tokenizers

  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab=pieces.ids(),
      merges=[tuple(merge.split(' ', 1)) for merge in merges],
      ignore_merges=splitting.whole_parts,
    )
  )
  if splitting.compose:
    tokenizer.normalizer = normalizers.NFC()
  steps = []
  if splitting.single_digits:
    steps.append(pre_tokenizers.Digits(individual_digits=True))
  if splitting.pattern is not None:
    pattern = tokenizers.Regex(splitting.pattern)
    steps.append(pre_tokenizers.Split(pattern, behavior='isolated'))
  steps.append(
    pre_tokenizers.ByteLevel(
      add_prefix_space=False, use_regex=splitting.pattern is None
    )
  )
  tokenizer.pre_tokenizer = pre_tokenizers.Sequence(steps)
  tokenizer.decoder = decoders.ByteLevel()
  _add_tokens(tokenizer, pieces)
  return tokenizer


def sentencepiece_bpe(pieces: Pieces, space_prefix: bool) -> Any:
  """Returns a `tokenizers.Tokenizer` like a SentencePiece BPE model.

  Args:
    pieces: With scores; bytes where no piece covers a character.
    space_prefix: Whether a space is put before every text.
  """
  import tokenizers
  from tokenizers import models

  tokenizer = tokenizers.Tokenizer(
    models.BPE(
      vocab=pieces.ids(),
      merges=_merges(pieces),
      unk_token=next(iter(pieces.of_type(UNKNOWN)), None),
      fuse_unk=True,
      byte_fallback=bool(pieces.of_type(BYTE)),
    )
  )
  return _with_spaces(tokenizer, pieces, space_prefix)


def sentencepiece_unigram(pieces: Pieces, space_prefix: bool) -> Any:
  """The same for a SentencePiece unigram model."""
  import tokenizers
  from tokenizers import models

  tokenizer = tokenizers.Tokenizer(
    models.Unigram(
      list(zip(pieces.names, pieces.scores, strict=True)),
      unk_id=pieces.types.index(UNKNOWN),
      byte_fallback=bool(pieces.of_type(BYTE)),
    )
  )
  return _with_spaces(tokenizer, pieces, space_prefix)


def _merges(pieces: Pieces) -> list[tuple[str, str]]:
  """The pairs that make each piece, by the score of what they make."""
  ids = {
    name: number
    for number, name in enumerate(pieces.names)
    if pieces.types[number] == NORMAL
  }
  merges = []
  for name, number in ids.items():
    score = pieces.scores[number]
    halves = ((name[:i], name[i:]) for i in range(1, len(name)))
    merges += [
      (score, left, right)
      for left, right in halves
      if left in ids and right in ids
    ]
  merges.sort(key=lambda merge: -merge[0])
  return [(left, right) for _, left, right in merges]


def _with_spaces(tokenizer: Any, pieces: Pieces, space_prefix: bool) -> Any:
  """Has spaces written as SentencePiece does, and read back."""
  from tokenizers import decoders, normalizers

  before = [normalizers.Replace(' ', _SPACE)]
  after = [
    decoders.Replace(_SPACE, ' '),
    decoders.ByteFallback(),
    decoders.Fuse(),
  ]
  if space_prefix:
    before.insert(0, normalizers.Prepend(_SPACE))
    after.append(decoders.Strip(' ', 1, 0))
  tokenizer.normalizer = normalizers.Sequence(before)
  tokenizer.decoder = decoders.Sequence(after)
  _add_tokens(tokenizer, pieces)
  return tokenizer


def _add_tokens(tokenizer: Any, pieces: Pieces) -> None:
  """Marks the pieces that are found in text before anything is split."""
  from tokenizers import AddedToken

  special = [*pieces.of_type(UNKNOWN), *pieces.of_type(CONTROL)]
  tokenizer.add_special_tokens(
    [AddedToken(name, normalized=False, special=True) for name in special]
  )
  tokenizer.add_tokens(
    [
      AddedToken(name, normalized=False)
      for name in pieces.of_type(USER_DEFINED)
    ]
  )


def save(
  tokenizer: Any, folder: pathlib.Path, settings: Mapping[str, Any]
) -> None:
  """Writes tokenizer.json and tokenizer_config.json.

  Args:
    tokenizer: From one of the functions above.
    folder: Where.
    settings: What tokenizer_config.json holds: bos_token, eos_token, …
      `add_bos_token` has the tokenizer put the bos_token first.
  """
  from tokenizers import processors

  bos = settings.get('bos_token')
  if settings.get('add_bos_token') and bos is not None:
    tokenizer.post_processor = processors.TemplateProcessing(
      single=f'{bos} $A',
      pair=f'{bos} $A {bos} $B:1',
      special_tokens=[(bos, tokenizer.token_to_id(bos))],
    )
  tokenizer.save(str(folder / TOKENIZER_JSON))
  write_config(
    folder,
    {
      'tokenizer_class': 'PreTrainedTokenizerFast',
      'clean_up_tokenization_spaces': False,
      **{name: value for name, value in settings.items() if value is not None},
    },
  )


def set_context(folder: pathlib.Path, tokens: int) -> None:
  """Has tokenizer_config.json say for how many tokens the model was made."""
  write_config(folder, {**read_config(folder), CONTEXT: tokens})


def context(folder: pathlib.Path) -> int | None:
  """Returns what `set_context` wrote, or None."""
  return read_config(folder).get(CONTEXT)


def write_config(folder: pathlib.Path, config: Mapping[str, Any]) -> None:
  """Writes tokenizer_config.json."""
  text = json.dumps(config, indent=2, ensure_ascii=False)
  (folder / TOKENIZER_CONFIG).write_text(text + '\n', encoding='utf-8')
