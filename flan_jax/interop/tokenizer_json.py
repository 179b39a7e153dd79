"""Builds a tokenizer.json from the pieces of GGUF and SentencePiece models."""

from collections.abc import Mapping, Sequence
import dataclasses
import pathlib
from typing import Any

from flan_jax.interop.output_folder import write_json
from flan_jax.vocabulary.base import TOKENIZER_JSON
from flan_jax.vocabulary.hugging_face import TOKENIZER_CONFIG, read_config

# Types of pieces, numbered as in SentencePiece and GGUF.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6

# Hugging Face's name of the context length.
CONTEXT = 'model_max_length'

_SPACE = '▁'

# Splits text before byte-level BPE: contractions, words, numbers, punctuation,
# spaces. Models depend on how they were trained to split.
_SPLIT = (
  r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|{numbers}"
  r'| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+'
)


@dataclasses.dataclass(frozen=True)
class Splitting:
  """How text is split before byte-level BPE.

  Attributes:
    pattern: Regular expression of a part; None for GPT-2's.
    single_digits: Whether each digit is a part.
    compose: Whether characters are composed first (Unicode NFC), so that
      decoding does not return every text unchanged.
    whole_parts: Whether a part that is a token stays whole, whatever the
      merges.
  """

  pattern: str | None = None
  single_digits: bool = False
  compose: bool = False
  whole_parts: bool = False


# By their names in GGUF files.
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
  """The pieces of a tokenizer, each list indexed by id."""

  names: Sequence[str]
  types: Sequence[int]  # Such as `NORMAL`.
  scores: Sequence[float] = ()  # Higher merges first; empty for byte level.

  def ids(self) -> dict[str, int]:
    """Returns name -> id of the pieces that are used."""
    numbered = enumerate(self.names)
    return {name: n for n, name in numbered if self.types[n] != UNUSED}

  def of_type(self, kind: int) -> list[str]:
    pairs = zip(self.names, self.types, strict=True)
    return [name for name, own in pairs if own == kind]


def byte_level_bpe(
  pieces: Pieces, merges: Sequence[str], splitting: Splitting
) -> Any:
  """Returns a `tokenizers.Tokenizer` for byte-level BPE, as in GPT-2.

  Args:
    pieces: The pieces, in GPT-2's byte alphabet.
    merges: Pairs of pieces, 'left right', in order of priority.
    splitting: How text is split before.
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
  """Returns a `tokenizers.Tokenizer` for a SentencePiece BPE model.

  Args:
    pieces: The pieces, with scores.
    space_prefix: Whether a space is added before every text.
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
  """Like `sentencepiece_bpe`, for a SentencePiece unigram model."""
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
  """Returns the pairs that form a piece, by the score of the piece."""
  pairs = zip(pieces.names, pieces.scores, pieces.types, strict=True)
  scores = {name: score for name, score, kind in pairs if kind == NORMAL}
  return [
    (name[:i], name[i:])
    for name in sorted(scores, key=scores.get, reverse=True)
    for i in range(1, len(name))
    if name[:i] in scores and name[i:] in scores
  ]


def _with_spaces(tokenizer: Any, pieces: Pieces, space_prefix: bool) -> Any:
  """Makes a tokenizer encode and decode spaces as SentencePiece does."""
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
  """Adds the pieces that are matched before text is split."""
  from tokenizers import AddedToken

  special = [*pieces.of_type(UNKNOWN), *pieces.of_type(CONTROL)]
  tokenizer.add_special_tokens(
    [AddedToken(name, normalized=False, special=True) for name in special]
  )
  own = pieces.of_type(USER_DEFINED)
  tokenizer.add_tokens([AddedToken(name, normalized=False) for name in own])


def save(
  tokenizer: Any, folder: pathlib.Path, settings: Mapping[str, Any]
) -> None:
  """Writes tokenizer.json and tokenizer_config.json.

  Args:
    tokenizer: From one of the functions above.
    folder: The folder to write to.
    settings: Contents of tokenizer_config.json. `add_bos_token` also makes
      tokenizer.json start sequences with `bos_token`.
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
  config = {
    'tokenizer_class': 'PreTrainedTokenizerFast',
    'clean_up_tokenization_spaces': False,
    **{name: value for name, value in settings.items() if value is not None},
  }
  write_json(folder / TOKENIZER_CONFIG, config)


def set_context(folder: pathlib.Path, tokens: int) -> None:
  """Writes the context length to tokenizer_config.json."""
  config = {**read_config(folder), CONTEXT: tokens}
  write_json(folder / TOKENIZER_CONFIG, config)
