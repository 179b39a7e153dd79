"""Reads JSON that a stranger sent."""

import codecs
from typing import Any, NoReturn

from flan_jax.runtime.json_text import (
  NotJsonError,
  decode_json,
  repeated_key,
  shown,
)
from flan_jax.serving.api_error import ApiError

# Levels of lists and objects; a request has three.
_DEEPEST = 8


def read_object(body: bytes) -> dict[str, Any]:
  """Returns the object that a body holds.

  Refuses what readers of JSON disagree about: keys that come twice, and numbers
  that are not finite.

  Raises:
    ApiError: The body is anything else.
  """
  if body.startswith(codecs.BOM_UTF8):
    raise _malformed('the body is not JSON: it starts with a byte order mark')
  try:
    found = decode_json(body, _object, _refuse_constant)
  except NotJsonError as error:
    raise _malformed(f'the body is not JSON: {error}') from error
  if not isinstance(found, dict):
    raise _malformed('the body must be a JSON object')
  if _depth(found) > _DEEPEST:
    raise _malformed('lists or objects are nested too deeply')
  return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
  if (twice := repeated_key(pairs)) is not None:
    raise _malformed(f'the key {shown(twice)} is there twice')
  return dict(pairs)


def _refuse_constant(name: str) -> NoReturn:
  raise _malformed(f'{name} is not JSON')


def _malformed(message: str) -> ApiError:
  return ApiError(message, code='invalid_json')


def _depth(value: Any) -> int:
  """Returns how deeply lists and objects are nested; stops at the limit."""
  level, depth = [value], 0
  while level and depth <= _DEEPEST:
    inner = []
    for found in level:
      if isinstance(found, dict):
        inner += found.values()
      elif isinstance(found, list):
        inner += found
    depth += any(isinstance(found, dict | list) for found in level)
    level = inner
  return depth
