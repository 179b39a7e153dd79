"""Texts that end an answer before its end token or its limit."""

from collections.abc import Callable, Sequence

from flan_jax.errors import ConfigError

# Maps the tokens of an answer so far to how many of them are the whole answer,
# or to None if the answer may continue.
Stop = Callable[[Sequence[int]], int | None]


def stop_texts(texts: str | Sequence[str] | None) -> tuple[str, ...]:
  """Returns the texts of STOP, one text or a list; checks their type."""
  found = (texts,) if isinstance(texts, str) else tuple(texts or ())
  for text in found:
    if not isinstance(text, str) or not text:
      raise ConfigError(
        f"STOP must be a list of non-empty texts such as ['\\n'], not {text!r}"
      )
  return found


def never(tokens: Sequence[int]) -> None:
  """The `Stop` that lets every answer continue."""
  del tokens


def stop_at(decode: Callable[[list[int]], str], texts: Sequence[str]) -> Stop:
  """Ends an answer with the token that completes one of the texts.

  >>> words = {1: 'yes', 2: '\\n', 3: 'no'}
  >>> stop = stop_at(lambda ids: ''.join(words[i] for i in ids), ['\\n'])
  >>> stop([1]), stop([1, 2, 3])
  (None, 2)

  That token may hold more than the end of the text, so cut the decoded answer
  with `text_before`.
  """
  if not texts:
    return never

  def has_text(tokens):
    text = decode(tokens)
    return any(wanted in text for wanted in texts)

  def stop(tokens):
    if not has_text(tokens):
      return None
    return next(n for n in range(len(tokens) + 1) if has_text(tokens[:n]))

  return stop


def text_before(text: str, stops: Sequence[str]) -> str:
  r"""Returns the part of a text that precedes the first of some other texts.

  >>> text_before('yes, it is.\nQ: And', ['Q:', '\n'])
  'yes, it is.'
  """
  return text[: min((text.find(s) for s in stops if s in text), default=None)]
