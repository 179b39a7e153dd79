"""The features of imported datasets, and rows of JSON checked against them.

`meta.json` states the features of a dataset that TFDS has no builder for:

  "text" | "int64" | "float32" | "bool"    one value
  ["neg", "pos"]                           a class, by the names of all classes
  {"sequence": X}                          a list of any of these

TFDS checks rows too, but does not name the place inside a sequence, and
converts some wrong values silently (1.5 to an integer, "3" to a number).
"""

from collections.abc import Mapping
import json
import math
import re
from typing import Any

from flan_jax.errors import UserError, nearest
from flan_jax.runtime import disk

GRAMMAR = (
  'use "text", "int64", "float32", "bool", a list of two or more class names, '
  'or {"sequence": one of these}'
)

# Kind of a NumPy type -> the JSON values it takes, and a name for them.
_WANTED = {
  'b': (bool, 'true or false'),
  'i': (int, 'an integer'),
  'u': (int, 'an integer'),
  'f': (int | float, 'a number'),
}
_TEXT = (str, 'text')
_NAME = re.compile(r'\w[\w.-]{0,99}')


class FieldError(UserError):
  """A field that is wrong; names its path, such as `answers.text[2]`."""

  def __init__(self, field: str, problem: str):
    super().__init__(f'field {field!r}: {problem}')


def parse_features(stated: Any):
  """Returns the `tfds.features.FeaturesDict` of an object of the grammar.

  Raises:
    FieldError: the grammar has no such feature.
  """
  import tensorflow_datasets as tfds

  if not isinstance(stated, dict) or not stated:
    raise FieldError('features', f'must name the fields; {GRAMMAR}')
  for name in stated:
    # TFDS names files after fields.
    if not _NAME.fullmatch(name):
      raise FieldError(
        name[:80], 'is not a name; use up to 100 letters, digits, _ - and .'
      )
  return tfds.features.FeaturesDict(
    {k: _parse(k, v) for k, v in stated.items()}
  )


def _parse(field: str, stated: Any):
  import numpy as np
  import tensorflow_datasets as tfds

  match stated:
    case 'text':
      return tfds.features.Text()
    case 'int64' | 'float32' | 'bool':
      return np.dtype(stated).type
    case {'sequence': inner, **rest} if not rest:
      return tfds.features.Sequence(_parse(field, inner))
    case [_, _, *_]:
      for name in stated:
        # TFDS stores one class name a line.
        if not isinstance(name, str) or name.splitlines() != [name.strip()]:
          raise FieldError(
            field, f'{name!r} is not a class name; use text on one line'
          )
      if len(set(stated)) < len(stated):
        raise FieldError(field, 'a class is named twice')
      return tfds.features.ClassLabel(names=stated)
  raise FieldError(field, f'{stated!r} is not a feature; {GRAMMAR}')


def check_row(features, row: Mapping[str, Any]) -> dict[str, Any]:
  """Returns a row with its classes as numbers, and nothing else changed.

  Args:
    features: The dataset's `tfds.features.FeaturesDict`.
    row: Field -> JSON value. A sequence of objects may be an object of lists.

  Raises:
    FieldError: a field is missing, unknown or of another type.
  """
  checked = _check_object(features, row, '')
  for name, feature in features.items():
    try:
      feature.encode_example(checked[name])
      # TFDS finds half a surrogate pair only when it writes the row.
      json.dumps(checked[name], ensure_ascii=False).encode()
    except Exception as error:  # TFDS has no class of its own for these.
      if disk.full(error):
        raise  # The row is not to blame.
      reason = str(error).strip().splitlines()[-1]
      raise FieldError(name, f'TFDS refuses it: {reason}') from error
  return checked


def _check(feature, value: Any, path: str) -> Any:
  import numpy as np
  from tensorflow_datasets.core import features as lib

  if isinstance(feature, lib.FeaturesDict):
    return _check_object(feature, value, path)
  if type(feature) is lib.Sequence:
    return _check_sequence(feature.feature, value, path)
  if isinstance(feature, lib.ClassLabel):
    if value in feature.names:
      return feature.names.index(value)
    kind, words = int, 'a class, by number or name,'
  elif isinstance(feature, lib.Tensor) and feature.shape == ():
    kind, words = _WANTED.get(np.dtype(feature.np_dtype).kind, _TEXT)
  else:
    return value  # Images and the like, which TFDS alone checks.
  if not isinstance(value, kind) or (type(value) is bool and kind is not bool):
    near = nearest(str(value), getattr(feature, 'names', None) or ())
    raise FieldError(path, f'{words} is needed, not {_short(value)}{near}')
  if isinstance(value, float) and not math.isfinite(value):
    raise FieldError(path, f'a finite number is needed, not {_short(value)}')
  return value


def _check_object(features, value: Any, path: str) -> dict[str, Any]:
  if not isinstance(value, Mapping):
    raise FieldError(path, f'an object is needed, not {_short(value)}')
  prefix = f'{path}.' if path else ''
  unknown = sorted(set(value) - set(features))
  for name in features:
    if name not in value:
      near = nearest(name, unknown)
      raise FieldError(prefix + name, f'missing, every row needs it{near}')
  if unknown:
    raise FieldError(
      prefix + unknown[0],
      f'the dataset has no such field, only {", ".join(features)}; remove it',
    )
  return {
    name: _check(feature, value[name], prefix + name)
    for name, feature in features.items()
  }


def _check_sequence(inner, value: Any, path: str) -> Any:
  from tensorflow_datasets.core import features as lib

  if isinstance(inner, lib.FeaturesDict) and isinstance(value, Mapping):
    columns = lib.FeaturesDict({k: lib.Sequence(f) for k, f in inner.items()})
    checked = _check_object(columns, value, path)
    lengths = {k: len(x) for k, x in checked.items() if isinstance(x, list)}
    if len(set(lengths.values())) > 1:
      raise FieldError(path, f'its lists differ in length: {lengths}')
    return checked
  if not isinstance(value, list):
    raise FieldError(path, f'a list is needed, not {_short(value)}')
  return [_check(inner, x, f'{path}[{i}]') for i, x in enumerate(value)]


def _short(value: Any) -> str:
  text = json.dumps(value)
  return text if len(text) <= 40 else f'{text[:40]}…'
