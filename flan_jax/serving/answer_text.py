"""The text of an answer while it grows, and of its tokens."""

from collections.abc import Callable, Sequence
from typing import Any

from flan_jax.evaluation.generation.slot_batch import Predicted
from flan_jax.evaluation.generation.stopping import text_before

# What decoders write for half a character, which has up to four bytes.
_HALF = '\N{REPLACEMENT CHARACTER}'
_LONGEST_CHARACTER = 4

Decode = Callable[[Sequence[int]], str]


class GrowingText:
  r"""Gives the text of an answer in pieces that never have to be taken back.

  >>> words = {1: 'yes', 2: '.\n', 3: '\nQ'}
  >>> text = GrowingText(lambda ids: ''.join(words[i] for i in ids), ['\n\nQ'])
  >>> text.add([1]), text.add([1, 2]), text.add([1, 2, 3], whole=True)
  ('yes', '.', '')
  """

  def __init__(self, decode: Decode, stops: Sequence[str]):
    self._decode = decode
    self._stops = stops
    self._given = ''

  def add(self, tokens: Sequence[int], whole: bool = False) -> str:
    """Returns the text that the answer has gained.

    Args:
      tokens: All tokens of the answer so far.
      whole: Whether these are all. If not, text that may become part of a stop
        text, or half of a character, is held back.
    """
    text = text_before(self._decode(tokens), self._stops)
    if not whole:
      text = text.rstrip(_HALF)
      text = text[: len(text) - self._pending(text)]
    # Some decoders change what they wrote when more follows.
    if not whole and not text.startswith(self._given):
      return ''
    gained, self._given = text[len(self._given) :], text
    return gained

  def _pending(self, text: str) -> int:
    """Returns how many last characters may be the start of a stop text."""
    lengths = [
      length
      for stop in self._stops
      for length in range(1, len(stop))
      if text.endswith(stop[:length])
    ]
    return max(lengths, default=0)


def token_texts(decode: Decode, tokens: Sequence[int]) -> list[str]:
  """Returns the text that each token adds to those before it.

  A token that only begins a character adds nothing; the one that completes it
  adds the whole character.
  """
  texts, start, shown = [], 0, 0
  for end in range(1, len(tokens) + 1):
    # A few tokens suffice; decoding all again would take quadratic time.
    before, text = decode(tokens[start:shown]), decode(tokens[start:end])
    if text.endswith(_HALF) and end - shown < _LONGEST_CHARACTER:
      texts.append('')
      continue
    texts.append(text[len(before) :])
    start, shown = shown, end
  return texts


def logprobs_object(
  decode: Decode,
  tokens: Sequence[int],
  predicted: Sequence[Predicted | None],
  count: int,
  offset: int = 0,
) -> dict[str, Any]:
  """Returns OpenAI's `logprobs` of a text.

  Args:
    decode: Returns the text of tokens.
    tokens: The tokens.
    predicted: What was predicted in their places; None for the first of all.
    count: Number of alternatives to report.
    offset: Characters before the first token.
  """
  texts = token_texts(decode, tokens)
  offsets = []
  for text in texts:
    offsets.append(offset)
    offset += len(text)
  return {
    'tokens': texts,
    'token_logprobs': [found and found.log_prob for found in predicted],
    'top_logprobs': [
      found and _top(decode, token, found, count)
      for token, found in zip(tokens, predicted, strict=True)
    ],
    'text_offset': offsets,
  }


def _top(
  decode: Decode, token: int, found: Predicted, count: int
) -> dict[str, float]:
  """Returns the likeliest tokens and the token itself, by their texts."""
  top = [*found.top[:count], (token, found.log_prob)]
  texts: dict[str, float] = {}
  for number, log_prob in top:
    # Texts of several tokens may be equal; the likeliest comes first.
    texts.setdefault(decode([number]), log_prob)
  return texts
