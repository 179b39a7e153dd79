"""Field functions shared by several clusters (in TensorFlow)."""

from collections.abc import Callable
import functools
from typing import Any

from etils import epy

with epy.lazy_imports():
  import tensorflow as tf


def tidy(text: Any) -> Any:
  """Returns the text on one line, stripped, with single spaces."""
  return tf.strings.strip(tf.strings.regex_replace(text, r'\s+', ' '))


def tidy_lines(text: Any) -> Any:
  """Returns the text with each line tidied and empty lines removed."""
  text = tf.strings.regex_replace(text, r'[^\S\n]+', ' ')
  return tf.strings.strip(tf.strings.regex_replace(text, r' ?(\n ?)+', '\n'))


def tidied(name: str) -> Callable[[Any], Any]:
  """Returns a field function that tidies a raw feature."""
  return functools.partial(_tidied, name)


def _tidied(name, row):
  return tidy(row[name])


def question(text: Any) -> Any:
  """Returns the tidy text with exactly one question mark at its end."""
  return tf.strings.regex_replace(
    tidy(text), r'\s*\?*("?)$', r'\1?', replace_global=False
  )


def untokenized(text: Any) -> Any:
  """Restores the spacing and quotation marks of tokenized text.

  "`` Well , '' he said , `` I 'll go ''" becomes '"Well," he said, "I'll go"'.
  """
  for pattern, replacement in (
    (r'``\s?', '"'),
    (r"\s?''(\s|$)", r'"\1'),
    (r"''", '"'),
    (r" ('(?:d|ll|m|re|s|ve)|n't)\b", r'\1'),
    (r' ([,.;:?!)])([\s"]|$)', r'\1\2'),
  ):
    text = tf.strings.regex_replace(text, pattern, replacement)
  return text


# Bytes of a text that fit into a target of 256 tokens, by the vocabulary with
# the shortest tokens (`mini`: about 2 bytes a token).
_SHORT = 500


def is_short(name: str) -> Callable[[Any], Any]:
  """Returns a predicate: the field fits into a target.

  It is the `only_if` of inverted templates that ask for a field of any length,
  because the end of a long target would be cut off.
  """
  return functools.partial(_is_short, name)


def _is_short(name, row):
  return tf.strings.length(row[name]) <= _SHORT
