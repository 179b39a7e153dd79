"""Types and ranges of settings.

A setting's annotation, on the field of a dataclass or the argument of a run
function, says which values it takes. It is the only place that does:

  keep_checkpoints: Count = 3
  keep_best: Text | None = None

`bindings` checks the settings of gin files and flags against it, `check_fields`
those of a dataclass that Python code makes, and `docs/settings.md` shows it.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import functools
import math
import numbers
import re
import reprlib
import types
import typing
from typing import Annotated, Any

from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import name_problem


@dataclasses.dataclass(frozen=True)
class Only:
  """Narrows a type, as in `Annotated[int, Only(words, holds)]`.

  Attributes:
    words: The values that are left, as in 'it must be …'.
    holds: Whether a value of the type is one of them.
  """

  words: str
  holds: Callable[[Any], bool]


# Steps and sizes are 32-bit integers in compiled programs.
_FITS = Only('an integer below 2**31', lambda n: n < 2**31)

# Numbers.
Count = Annotated[
  int, Only('an integer of at least 1', lambda n: n >= 1), _FITS
]
CountOrZero = Annotated[
  int, Only('an integer of at least 0', lambda n: n >= 0), _FITS
]
Positive = Annotated[float, Only('a number above 0', lambda x: x > 0)]
NotNegative = Annotated[float, Only('a number of at least 0', lambda x: x >= 0)]
# `jax.random.key` drops all bits but the lowest 32.
Seed = Annotated[
  int, Only('an integer from 0 to 2**32 - 1', lambda n: 0 <= n < 2**32)
]

# Texts.
Text = Annotated[str, Only('a text that is not empty', lambda text: text != '')]
Texts = Annotated[
  Sequence[Text], Only('a list of texts that are not empty', lambda texts: True)
]
Name = Annotated[
  str,
  Only(
    'the name of one mixture or task',
    lambda name: bool(name) and name.isprintable(),
  ),
]
Names = Annotated[
  Sequence[Name],
  Only('a list of names of mixtures or tasks', lambda names: len(names) > 0),
]
Path = Annotated[
  str,
  Only('a path', lambda path: bool(path.strip()) and path.isprintable()),
  Only(
    'a path that a file system can hold',
    lambda path: name_problem(path) is None,
  ),
]
Paths = Annotated[
  Sequence[Path], Only('a list of paths', lambda paths: len(paths) > 0)
]


def _compiles(pattern: str) -> bool:
  try:
    re.compile(pattern)
  except (re.error, OverflowError, RecursionError):
    return False
  return True


Patterns = Annotated[
  Sequence[Annotated[str, Only('a regular expression', _compiles)]],
  Only('a list of regular expressions', lambda patterns: True),
]


_WORDS = {
  bool: 'True or False',
  int: 'an integer',
  float: 'a number',
  str: 'a text',
  types.NoneType: 'None',
}


def check(name: str, kind: Any, value: Any) -> None:
  """Checks the value of a setting against its annotation.

  >>> check('KEEP_CHECKPOINTS', Count, 3)

  Raises:
    ConfigError: The setting does not take this value.
  """
  words = refusal(kind, value)
  if words is not None:
    raise ConfigError(f'{name} is {shown(value)}: it must be {words}')


def check_fields(settings: Any) -> None:
  """Checks the fields of a dataclass against their annotations.

  Raises:
    ConfigError: A field does not take its value; names both.
  """
  for field, kind in kinds_of(type(settings)).items():
    check(f'{type(settings).__name__}.{field}', kind, getattr(settings, field))


@functools.cache
def kinds_of(function: Callable) -> dict[str, Any]:
  """Returns the annotations of a dataclass or function by parameter."""
  kinds = typing.get_type_hints(function, include_extras=True)
  return {name: kind for name, kind in kinds.items() if name != 'return'}


def shown(value: Any) -> str:
  """Returns a value as it is quoted in an error: in one short line."""
  short = reprlib.Repr()
  short.maxstring = short.maxother = short.maxlong = 80
  return short.repr(value)


def words_for(kind: Any) -> str:
  """Returns which values an annotation allows.

  >>> words_for(Count | None), words_for(Sequence[str])
  ('an integer of at least 1, or None', 'a list, each item a text')
  """
  origin, arguments = typing.get_origin(kind), typing.get_args(kind)
  if origin is Annotated:
    return arguments[1].words
  if origin in (typing.Union, types.UnionType):
    return ', or '.join(words_for(one) for one in arguments)
  if origin is typing.Literal:
    return ', '.join(map(repr, arguments[:-1])) + f' or {arguments[-1]!r}'
  if origin in (Sequence, tuple, list):
    return f'a list, each item {words_for(arguments[0])}'
  if origin in (Mapping, dict):
    items = arguments[1]
    each = '' if items is Any else f', each value {words_for(items)}'
    return f'a dictionary{each}'
  if kind is Any:
    return 'any value'
  return _WORDS.get(kind) or f'@{kind.__name__}()'


def refusal(kind: Any, value: Any) -> str | None:
  """Returns what a value must be, as in 'it must be …'; None if it is."""
  origin, arguments = typing.get_origin(kind), typing.get_args(kind)
  if origin is Annotated:
    base, *narrowed = arguments
    if refusal(base, value) is not None:
      return narrowed[0].words
    refused = (only.words for only in narrowed if not only.holds(value))
    return next(refused, None)
  if origin in (typing.Union, types.UnionType):
    return _refusal_of_all(kind, arguments, value)
  if origin is typing.Literal:
    # Of the same type: 1 equals True.
    same = any(type(value) is type(x) and value == x for x in arguments)
    return None if same else words_for(kind)
  return None if _is(kind, origin, arguments, value) else words_for(kind)


def _refusal_of_all(kind: Any, arguments: Any, value: Any) -> str | None:
  """Returns why no type of a union takes a value."""
  refused = [refusal(one, value) for one in arguments]
  if None in refused:
    return None
  # Of `Count | None`, the reason may be narrower than the annotation's words.
  if arguments[1:] == (types.NoneType,):
    return f'{refused[0]}, or None'
  return words_for(kind)


def _is(kind: Any, origin: Any, arguments: Any, value: Any) -> bool:
  """Returns whether a value is of a type without further conditions."""
  if kind is Any:
    return True
  if origin in (Sequence, tuple, list):
    return isinstance(value, list | tuple) and not any(
      refusal(arguments[0], item) for item in value
    )
  if origin in (Mapping, dict):
    return isinstance(value, Mapping) and not any(
      refusal(arguments[0], key) or refusal(arguments[1], item)
      for key, item in value.items()
    )
  if kind in (int, float) and isinstance(value, bool):
    return False  # Python counts with them.
  if kind is int:
    return isinstance(value, numbers.Integral) and -(2**63) <= value < 2**63
  if kind is float:
    return isinstance(value, numbers.Real) and _is_finite(value)
  if kind is str:
    return isinstance(value, str) and _is_unicode(value)
  return isinstance(value, kind)


def _is_finite(value: Any) -> bool:
  try:
    return math.isfinite(value)
  except OverflowError:  # An integer above all floats.
    return False


def _is_unicode(text: str) -> bool:
  """Returns whether a text can be written, which half a pair cannot."""
  return not any('\ud800' <= letter <= '\udfff' for letter in text)
