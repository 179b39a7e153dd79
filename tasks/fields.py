"""Field functions shared by several clusters (in TensorFlow).

`tidy` (or `tidied`) repairs every field, every choice and every answer in
English; `tidy_lines` is the same for texts of several lines. Texts of other
languages go through `clean`, which leaves their punctuation as it is.
"""

from collections.abc import Callable
import functools
from typing import Any

from etils import epy

with epy.lazy_imports():
  import tensorflow as tf

# Entities of HTML, which some sources encode twice: `&amp;amp;`, `&amp;lt;`.
_ENTITIES = (
  (r'&(?:amp;)+(#?\w{2,6};)', r'&\1'),
  ('&lt;', '<'),
  ('&gt;', '>'),
  ('&(?:quot|ldquo|rdquo|#34);', '"'),
  ('&(?:apos|lsquo|rsquo|#0?39|#[xX]27);', "'"),
  ('&(?:nbsp|#160);', ' '),
  ('&(?:amp|#38);', '&'),
)
# Punctuation of Windows that was read as Latin-1, alone or as bytes of UTF-8.
_MISREAD = (
  (r'â\x{80}[\x{98}\x{99}]|[\x{91}\x{92}]', "'"),
  (r'â\x{80}[\x{9C}\x{9D}]|[\x{93}\x{94}]', '"'),
  (r'â\x{80}\x{93}|\x{96}', '–'),
  (r'â\x{80}\x{94}|\x{97}', '—'),
  (r'â\x{80}\x{A6}|\x{85}', '...'),
)
_ENCODED = r'&|[\x{80}-\x{9F}]'
# Soft hyphens (with the "?" of a failed conversion), zero-width characters,
# marks of direction, control characters. U+200C and U+200D stay, since they
# join letters and emoji.
_INVISIBLE = (
  r'\??\x{AD}|[\x{200B}\x{200E}\x{200F}\x{202A}-\x{202E}\x{2060}-\x{2064}'
  r'\x{FEFF}\x{FFF9}-\x{FFFB}\x00-\x08\x0E-\x1F\x7F-\x9F]'
)
# A mark with a space before it. In a chat, "Ann: !!" stays.
_DETACHED = r'([^\s:]) ([,;:.)\]}]|[?!]+)([\s"]|$)'
# What tokenizers do to English. Texts have single spaces.
_TOKENIZED = (
  # Brackets, slashes and quotation marks of treebanks.
  (r'(?i)-l[rs]b- ?', '('),
  (r'(?i) ?-r[rs]b-', ')'),
  (r'\\/', '/'),
  (r' ?``(?: ([).,;:?!])|$)', r'"\1'),
  (r'`` ?', '"'),
  (r" ?''(\s|$)", r'"\1'),
  (r"''", '"'),
  (r" ' '(\s|$)", r' "\1'),
  (r"(^|\s)` ([^`'\n]*[^`'\s]) '([\s.,;:?!]|$)", r"\1'\2'\3"),
  # Contractions and possessives.
  (
    r'(?i)\b((?:ai|are|ca|could|did|do|does|had|has|have|is|must|need|should|'
    r"was|were|wo|would)n) ' ?t\b",
    r"\1't",
  ),
  (r"(\w) ' (d|ll|m|re|s|ve)\b", r"\1'\2"),
  (
    r"""([\pL\pN_).%"\]]) (['’](?:d|ll|m|re|s|ve)|n['’]t)([\s.,;:?!)"]|$)""",
    r'\1\2\3',
  ),
  (r"(s) '(\s)", r"\1'\2"),
  # Amounts, times and scores.
  (r'([$£€#]) ((?:US|A|C|NZ)?\d)', r'\1\2'),
  (r'(\d) %', r'\1%'),
  (r'(\d) : (\d)', r'\1:\2'),
  # Marks. A mark often follows another one, as in "word ) ,".
  (r'\. \. \.', '...'),
  (r'([:;]) \)(\s|$)', r'\1)\2'),
  (r'(^|[\s"])([(\[{]) ', r'\1\2'),
  (r'([.?!])(?: \.)+(\s|$)', r'\1\2'),
  (_DETACHED, r'\1\2\3'),
  (_DETACHED, r'\1\2\3'),
  (r'([.?!]) \)', r'\1)'),
)
# What a text has if it is tokenized, or looks like it.
_TRACES = (
  r""" (?:[,;:.)\]}%]|[?!]+|['’](?:d|ll|m|re|s|t|ve)?|n['’]t)"""
  r"""(?:[\s.,;:?!)"]|$)|(?:^|\s)"(?:\s|$)|[`$£€#(\[{] |``|''|\\/"""
  r"""|-[lrLR][rsRS][bB]-"""
)
# A quotation whose marks are both detached from it.
_QUOTATION = r'(^|[\s(\[])" ([^"\n]*[^"\s]) "'
# Detached marks in a text where one has no partner. They open a quotation after
# a colon or a word, and close one before "he said" or at the end.
_SINGLE_MARKS = (
  (r'^" ', '"'),
  (r'([.?!]) "$', r'\1"'),
  (r', " ([a-z])', r'," \1'),
  (r'([,:]) " ([A-Z])', r'\1 "\2'),
  (r'(\w) " (\w)', r'\1 "\2'),
)


def replace(text: Any, *pairs: tuple[str, str]) -> Any:
  """Replaces regular expressions, one after the other."""
  for pattern, replacement in pairs:
    text = tf.strings.regex_replace(text, pattern, replacement)
  return text


def _traced_once(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
  """Traces a function of texts once, not anew for every field that uses it.

  A process that caches many datasets would spend most of its time on that.
  """

  @functools.cache  # At the first call, because TensorFlow is imported late.
  def traced():
    return tf.function(function, autograph=False)

  @functools.wraps(function)
  def call(text):
    return traced()(tf.convert_to_tensor(text, tf.string))

  return call


@_traced_once
def clean(text: Any) -> Any:
  """Returns the text on one line, with single plain spaces.

  Decodes HTML entities, and drops invisible characters.
  """
  return replace(_plain(text), (r'\s+', ' '), ('^ | $', ''))


@_traced_once
def clean_lines(text: Any) -> Any:
  """Returns the text with each line cleaned and empty lines removed."""
  return replace(
    _plain(text), (r'[^\S\n]+', ' '), (r' ?(\n ?)+', '\n'), (r'^\s|\s$', '')
  )


def _plain(text):
  text = _if_any(_ENCODED, _decoded, text)
  return replace(text, (_INVISIBLE, ''), (r'\pZ', ' '))


def _decoded(text):
  return replace(text, *_ENTITIES, *_MISREAD)


def _if_any(pattern, function, text):
  """Applies a function only if a text has the pattern, which few have.

  Most of the time of a short text would be spent on the many replacements.
  """
  found = tf.strings.regex_full_match(text, f'(?s).*(?:{pattern}).*')
  return tf.cond(
    tf.reduce_any(found), functools.partial(function, text), lambda: text
  )


@_traced_once
def tidy(text: Any) -> Any:
  """Returns an English text on one line, cleaned and without tokenization."""
  return untokenized(clean(text))


@_traced_once
def tidy_lines(text: Any) -> Any:
  """Returns an English text with each line tidied and empty lines removed."""
  return untokenized(clean_lines(text))


@_traced_once
def untokenized(text: Any) -> Any:
  """Restores the spacing and quotation marks of tokenized English.

  "`` Well , '' he said , `` I 'll go ''" becomes '"Well," he said, "I'll go"'.
  """
  return _if_any(_TRACES, _joined, text)


def _joined(text):
  text = replace(text, *_TOKENIZED)
  marks = tf.strings.length(tf.strings.regex_replace(text, '[^"]', ''))
  paired = tf.strings.regex_replace(text, _QUOTATION, r'\1"\2"')
  return tf.where(marks % 2 == 0, paired, replace(text, *_SINGLE_MARKS))


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
