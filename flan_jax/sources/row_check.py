"""Rows of JSON, checked against the features of a TFDS dataset.

TFDS's own encoder refuses most wrong rows, but names neither the field inside
a sequence nor the mend, and lets some through (a float becomes an integer, a
text the number it spells). Features are stated as TFDS's objects or in a small
grammar:

  "text" | "int64" | "float32" | "bool"    one value
  ["neg", "pos"]                           a class, by the names of all classes
  {"sequence": X}                          a list of any of these
"""

from collections.abc import Mapping
import difflib
import math
from typing import Any

from flan_jax.errors import UserError

GRAMMAR = (
  'use "text", "int64", "float32", "bool", a list of two or more class names, '
  'or {"sequence": one of these}'
)

# A long list of names makes an error unreadable.
_MAX_NAMES = 12


class FieldError(UserError):
  """A field that does not fit; `field` is its path, as `answers.text[2]`."""

  def __init__(self, field: str, problem: str):
    super().__init__(f'field {field!r}: {problem}')
    self.field = field
    self.problem = problem


def parse_features(stated: Any):
  """Returns the `tfds.features.FeaturesDict` of an object of the grammar.

  Raises:
    FieldError: a feature that the grammar does not know.
  """
  import tensorflow_datasets as tfds

  if not isinstance(stated, dict) or not stated:
    raise FieldError('features', f'must name the fields; {GRAMMAR}')
  features = {name: _parse(name, x) for name, x in stated.items()}
  return tfds.features.FeaturesDict(features)


def _parse(name: str, stated: Any):
  import numpy as np
  import tensorflow_datasets as tfds

  words = {
    'text': tfds.features.Text(),
    'int64': np.int64,
    'float32': np.float32,
    'bool': np.bool_,
  }
  if isinstance(stated, str) and stated in words:
    return words[stated]
  if isinstance(stated, list) and len(stated) > 1:
    return tfds.features.ClassLabel(names=_class_names(name, stated))
  if isinstance(stated, dict) and set(stated) == {'sequence'}:
    return tfds.features.Sequence(_parse(name, stated['sequence']))
  raise FieldError(name, f'{stated!r} is not a feature; {GRAMMAR}')


def _class_names(field: str, names: list[Any]) -> list[str]:
  """Checks that TFDS can keep the names, which it stores one a line."""
  for name in names:
    if not isinstance(name, str) or not name or name != ' '.join(name.split()):
      raise FieldError(
        field, f'{name!r} is not a class name; use text on one line'
      )
  if len(set(names)) < len(names):
    raise FieldError(field, 'a class is named twice')
  return names


def check_row(features, row: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a row as TFDS stores it: classes as numbers, nothing else changed.

  Args:
    features: The dataset's `tfds.features.FeaturesDict`.
    row: Field -> JSON value; a sequence of objects may be an object of lists.

  Raises:
    FieldError: a field is missing, unknown or of another type.
  """
  return _check_object(features, row, '')


def _check(feature, value: Any, path: str) -> Any:
  from tensorflow_datasets.core import features as lib

  if isinstance(feature, lib.FeaturesDict):
    return _check_object(feature, value, path)
  if type(feature) is lib.Sequence:
    return _check_sequence(feature.feature, value, path)
  if isinstance(feature, lib.ClassLabel):
    return _check_class(feature, value, path)
  if isinstance(feature, lib.Text):
    return _check_text(value, path)
  if isinstance(feature, lib.Tensor) and feature.shape == ():
    return _check_number(feature, value, path)
  return value  # Images and the like: TFDS's encoder knows better.


def _check_object(features, value: Any, path: str) -> dict[str, Any]:
  if not isinstance(value, Mapping):
    raise FieldError(path, f'{_kind(value)}, but an object is needed')
  unknown = sorted(set(value) - set(features))
  for name in features:
    if name not in value:
      hint = difflib.get_close_matches(name, unknown, n=1)
      mend = f'; is it {hint[0]!r} here? Rename it' if hint else ''
      raise FieldError(
        _join(path, name), f'missing, but every row needs it{mend}'
      )
  if unknown:
    raise FieldError(
      _join(path, unknown[0]),
      f'not a field of the dataset, which has {_listed(features)}; remove it',
    )
  return {
    name: _check(feature, value[name], _join(path, name))
    for name, feature in features.items()
  }


def _check_sequence(inner, value: Any, path: str) -> Any:
  """Checks a list, or an object of lists where the items are objects."""
  from tensorflow_datasets.core import features as lib

  if isinstance(inner, lib.FeaturesDict) and isinstance(value, Mapping):
    # The same fields, each of them a list.
    columns = lib.FeaturesDict({k: lib.Sequence(f) for k, f in inner.items()})
    checked = _check_object(columns, value, path)
    lengths = {k: len(x) for k, x in checked.items() if isinstance(x, list)}
    if len(set(lengths.values())) > 1:
      raise FieldError(path, f'its lists differ in length: {lengths}')
    return checked
  if not isinstance(value, list):
    raise FieldError(path, f'{_kind(value)}, but a list is needed')
  return [_check(inner, x, f'{path}[{i}]') for i, x in enumerate(value)]


def _check_class(feature, value: Any, path: str) -> int:
  names = feature.names
  if isinstance(value, str):
    if value in names:
      return names.index(value)
    hint = difflib.get_close_matches(value, names, n=1)
    mend = f'; perhaps {hint[0]!r}' if hint else ''
    raise FieldError(
      path, f'{value!r} is not a class; there are {_listed(names)}{mend}'
    )
  if not isinstance(value, int) or isinstance(value, bool):
    raise FieldError(
      path, f'{_kind(value)}, but a class is needed, by number or name'
    )
  # TFDS writes -1 for a row whose class is not published.
  if not -1 <= value < feature.num_classes:
    raise FieldError(
      path,
      f'{value} is not a class; 0 to {feature.num_classes - 1} stand for '
      f'{_listed(names)}, -1 for an unknown one',
    )
  return value


def _check_text(value: Any, path: str) -> str:
  if not isinstance(value, str):
    raise FieldError(
      path, f'{_kind(value)}, but text is needed; put it between quotes'
    )
  try:
    value.encode('utf-8')
  except UnicodeEncodeError as error:
    raise FieldError(
      path, f'half a surrogate pair at character {error.start}; remove it'
    ) from None
  return value


def _check_number(feature, value: Any, path: str) -> Any:
  import numpy as np

  dtype = np.dtype(feature.np_dtype)
  if dtype.kind == 'b':
    if not isinstance(value, bool):
      raise FieldError(path, f'{_kind(value)}, but true or false is needed')
  elif dtype.kind in 'iu':
    if not isinstance(value, int) or isinstance(value, bool):
      raise FieldError(path, f'{_kind(value)}, but an integer is needed')
    limits = np.iinfo(dtype)
    if not limits.min <= value <= limits.max:
      raise FieldError(path, f'{value} does not fit into {dtype.name}')
  elif dtype.kind == 'f':
    if not isinstance(value, int | float) or isinstance(value, bool):
      raise FieldError(path, f'{_kind(value)}, but a number is needed')
    if float(np.finfo(dtype).max) < abs(value) < math.inf:
      raise FieldError(path, f'{value} does not fit into {dtype.name}')
  else:
    return _check_text(value, path)
  return value


def _join(path: str, name: str) -> str:
  return f'{path}.{name}' if path else name


def _listed(names) -> str:
  names = list(names)
  more = len(names) - _MAX_NAMES
  text = ', '.join(repr(name) for name in names[:_MAX_NAMES])
  return f'{text} and {more} more' if more > 0 else text


def _kind(value: Any) -> str:
  """Returns what a JSON value is, in words."""
  if value is None:
    return 'null'
  if isinstance(value, bool):
    return str(value).lower()
  if isinstance(value, int | float):
    return f'the number {value}'
  if isinstance(value, str):
    short = value if len(value) <= 30 else f'{value[:30]}...'
    return f'the text {short!r}'
  return 'a list' if isinstance(value, list) else 'an object'
