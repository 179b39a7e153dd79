"""Reads JSON and text that users and strangers wrote.

Python's parser raises four types of errors. These functions turn each into one
`UserError` that names the file and the place.
"""

from collections.abc import Callable
import json
import os
from typing import Any

from flan_jax.errors import UserError
from flan_jax.runtime.paths import user_path

Hook = Callable[[list[tuple[str, Any]]], Any]


class NotJsonError(ValueError):
  """Why a text is not JSON."""


def parse_json(
  text: str | bytes,
  where: str | os.PathLike,
  error: type[UserError] = UserError,
  hook: Hook | None = None,
  fix: str = 'correct it',
) -> Any:
  """Returns the value that a text of JSON holds.

  Args:
    text: The text, or its bytes in UTF-8.
    where: What the text is, such as the path of a file.
    error: The type of error to raise.
    hook: Makes an object of its pairs of key and value.
    fix: How to mend it.

  Raises:
    UserError: of the type `error`: it is not JSON, or not UTF-8, or it is
      nested too deeply.
  """
  try:
    return decode_json(text, hook)
  except NotJsonError as reason:
    raise error(f'{where} is not JSON ({reason}): {fix}') from reason


def decode_json(
  text: str | bytes,
  hook: Hook | None = None,
  constant: Callable[[str], Any] | None = None,
) -> Any:
  """As `parse_json`, for messages of another form.

  Args:
    text: The text, or its bytes in UTF-8.
    hook: Makes an object of its pairs of key and value.
    constant: Makes a value of 'NaN', 'Infinity' and '-Infinity'.

  Raises:
    NotJsonError: it is not JSON; says why, and where.
  """
  try:
    if isinstance(text, bytes):
      text = text.decode('utf-8-sig')
    return json.loads(text, object_pairs_hook=hook, parse_constant=constant)
  except UnicodeDecodeError as error:
    raise NotJsonError(f'not UTF-8 at byte {error.start}') from error
  except json.JSONDecodeError as error:
    place = f'line {error.lineno}, column {error.colno}'
    raise NotJsonError(f'{error.msg} at {place}') from error
  except RecursionError as error:
    raise NotJsonError('lists or objects are nested too deeply') from error
  except ValueError as error:
    # An integer of thousands of digits.
    raise NotJsonError('a number has too many digits') from error


def without_repeats(
  where: str | os.PathLike, error: type[UserError] = UserError
) -> Hook:
  """Returns a hook that refuses objects in which a key occurs twice.

  Of two values, Python's parser keeps the last and says nothing.
  """

  def hook(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if (twice := repeated_key(pairs)) is not None:
      raise error(f'{where}: the key {shown(twice)} occurs twice: remove one')
    return dict(pairs)

  return hook


def repeated_key(pairs: list[tuple[str, Any]]) -> str | None:
  """Returns the first key of an object that occurs twice, None without one."""
  keys = [key for key, _ in pairs]
  if len(set(keys)) == len(keys):
    return None
  return next(key for key in keys if keys.count(key) > 1)


def read_json(
  path: str | os.PathLike,
  error: type[UserError] = UserError,
  hook: Hook | None = None,
  fix: str = 'correct it',
) -> Any:
  """Returns the value in a file of JSON; see `parse_json`.

  Raises:
    UserError: of the type `error`: the file cannot be read, or is not JSON.
  """
  return parse_json(read_bytes(path, error), path, error, hook, fix)


def read_object(
  path: str | os.PathLike,
  error: type[UserError] = UserError,
  fix: str = 'correct it',
  hook: Hook | None = None,
) -> dict[str, Any]:
  """As `read_json`; the file must hold an object."""
  found = read_json(path, error, hook, fix)
  if not isinstance(found, dict):
    raise error(f'{path} must hold one JSON object, key -> value: {fix}')
  return found


def read_bytes(
  path: str | os.PathLike, error: type[UserError] = UserError
) -> bytes:
  """Returns the bytes of a file.

  Raises:
    UserError: of the type `error`: the file cannot be read.
  """
  try:
    return user_path(path).read_bytes()
  except OSError as reason:
    raise error(f'{path} cannot be read: {reason.strerror}') from reason


def read_text(
  path: str | os.PathLike, error: type[UserError] = UserError
) -> str:
  """Returns the text of a file in UTF-8.

  Raises:
    UserError: of the type `error`: the file cannot be read, or is not UTF-8.
  """
  try:
    return read_bytes(path, error).decode('utf-8')
  except UnicodeDecodeError as reason:
    raise error(
      f'{path} is not UTF-8 (byte {reason.start}): save it as UTF-8'
    ) from reason


def shown(value: Any, most: int = 40) -> str:
  """Returns a value for a message: short, and in ASCII.

  >>> shown('x' * 100)
  '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…'
  """
  if isinstance(value, dict | list):
    return 'an object' if isinstance(value, dict) else 'a list'
  if isinstance(value, str):
    value = value[:most]
  text = json.dumps(value, default=repr)
  return text if len(text) < most else f'{text[: most - 1]}…'
