"""Digests of everything that decides what a cache holds."""

from collections.abc import Iterator
import functools
import inspect
import types
from typing import Any

from flan_jax.definitions.dataset import Dataset

_CONTENT = (
  'source',
  'splits',
  'fields',
  'label',
  'choices',
  'options',
  'correct',
  'answers',
  'score',
  'keep',
  'templates',
  'template_set',
  'truncatable',
  'group_key',
  'item_key',
  'cluster',
  'metrics',
  'note',
)


def describe_part(part: Dataset) -> dict[str, Any]:
  """Returns what decides a part's rows and prompts, functions by source."""
  return {name: _plain(getattr(part, name)) for name in _CONTENT}


def _plain(value: Any) -> Any:
  if value is None or isinstance(value, str | int | float | bool):
    return value
  if isinstance(value, dict):
    return {key: _plain(item) for key, item in value.items()}
  if isinstance(value, tuple | list):
    return [_plain(item) for item in value]
  if callable(value):
    return list(source_of(value))
  # A template.
  return {name: _plain(item) for name, item in vars(value).items()}


def source_of(function: Any, seen: set | None = None) -> Iterator[str]:
  """Yields the source of a function and of what it uses of its own module.

  Constants, helpers, arguments of `functools.partial` and variables it closes
  over are followed, so that a change in any of them is seen.
  """
  seen = set() if seen is None else seen
  if isinstance(function, functools.partial):
    yield repr(_plain([list(function.args), function.keywords]))
    function = function.func
  if id(function) in seen or not isinstance(function, types.FunctionType):
    return
  seen.add(id(function))
  yield inspect.getsource(function)
  used = {
    name: function.__globals__.get(name) for name in _names(function.__code__)
  }
  for name, cell in zip(
    function.__code__.co_freevars, function.__closure__ or (), strict=True
  ):
    used[name] = cell.cell_contents
  for name, value in sorted(used.items()):
    if isinstance(value, types.FunctionType | functools.partial):
      if _is_ours(value, function):
        yield from source_of(value, seen)
    elif isinstance(value, str | int | float | bool | tuple | list | dict):
      yield f'{name} = {value!r}'


def _names(code: types.CodeType) -> set[str]:
  """Returns the global names a function uses, nested functions included."""
  names = set(code.co_names)
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      names |= _names(constant)
  return names


def _is_ours(value: Any, user: types.FunctionType) -> bool:
  """Whether a helper is of the user's package, not of a library."""
  function = value.func if isinstance(value, functools.partial) else value
  package = user.__module__.partition('.')[0]
  return getattr(function, '__module__', '').partition('.')[0] == package
