"""What a cached split is of, and the digest of all that decides its tokens."""

import ast
from collections.abc import Iterator
import dataclasses
import functools
import inspect
import textwrap
import types
from typing import Any

from flan_jax.cache.framing import CacheConfig
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.digests import digest
from flan_jax.vocabulary.base import Vocabulary

# Raise this when the files of a cached split change their form.
LAYOUT = 6
# Raise this when the same rows, templates and vocabulary give other tokens.
# `tests/golden/test_tokens.py` fails if that is forgotten.
RENDERING_VERSION = 1

# Fields of a `Dataset` that do not decide tokens by themselves. (The templates
# of a format include its title; `plain` is what other formats are made of.)
_NOT_HASHED = (
  'cluster',
  'derived_from',
  'group_titles',
  'homepage',
  'licence',
  'manual',
  'metrics',
  'name',
  'note',
  'on_training_rows',
  'optional',
  'parent',
  'parts',
  'plain',
  'title',
)


@dataclasses.dataclass(frozen=True)
class SplitKey:
  """Names a cached split.

  Attributes:
    part: The resolved part, with the templates of its format.
    split: One of `dataset.SPLITS`.
    templates: Indices of the templates used; None for all that apply.
  """

  part: Dataset
  split: str
  templates: tuple[int, ...] | None = None

  def __str__(self) -> str:
    form = self.part.format
    name = f'{self.part.name}.{self.split}'
    return name if form == 'instructions' else f'{name}.{form}'


def split_folder(
  key: SplitKey, config: CacheConfig, vocabulary: Vocabulary, copy: str
) -> str:
  """Returns a folder in the cache directory; `copy` is by `copy_digest`."""
  content = content_digest(key, config, vocabulary)
  return f'{key.part.dataset.name}/{key}-{content}-{copy}'


def content_digest(
  key: SplitKey, config: CacheConfig, vocabulary: Vocabulary
) -> str:
  """Returns the digest of all that decides a split's tokens but its rows."""
  return digest(
    {
      'layout': LAYOUT,
      'rendering': RENDERING_VERSION,
      # What decides the rows and prompts of a part, functions by source.
      'part': {
        field.name: _plain(getattr(key.part, field.name))
        for field in dataclasses.fields(key.part)
        if field.name not in _NOT_HASHED
      },
      'vocabulary': vocabulary.digest,
      'lengths': dict(config.lengths),
      'prompt_format': config.prompt_format,
      'templates': key.templates,
    }
  )


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
  """Yields the source of a function and of what it uses.

  Follows helper functions, constants and closures of the user's own package,
  so that a change in any of them is noticed. Comments and docstrings do not
  count.
  """
  seen = set() if seen is None else seen
  if isinstance(function, functools.partial):
    yield repr(_plain([list(function.args), function.keywords]))
    function = function.func
  # A decorator's wrapper uses none of what the function itself uses.
  function = inspect.unwrap(function)
  if id(function) in seen or not isinstance(function, types.FunctionType):
    return
  seen.add(id(function))
  yield _code(function)
  used = {
    **{x: function.__globals__.get(x) for x in _names(function.__code__)},
    **inspect.getclosurevars(function).nonlocals,
  }
  for name, value in sorted(used.items()):
    if isinstance(value, types.FunctionType | functools.partial):
      if _is_ours(value, function):
        yield from source_of(value, seen)
    elif isinstance(value, str | int | float | bool | tuple | list | dict):
      yield f'{name} = {value!r}'


@functools.cache
def _code(function: types.FunctionType) -> str:
  """Returns the source of a function without comments and docstrings."""
  source = textwrap.dedent(inspect.getsource(function))
  try:
    tree = ast.parse(source)
  except SyntaxError:
    return source  # A lambda within an expression.
  for node in ast.walk(tree):
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node):
      del node.body[0]
  return ast.unparse(tree)


def _names(code: types.CodeType) -> set[str]:
  """Returns the global names a function uses, nested functions included."""
  names = set(code.co_names)
  for constant in code.co_consts:
    if isinstance(constant, types.CodeType):
      names |= _names(constant)
  return names


def _is_ours(value: Any, user: types.FunctionType) -> bool:
  """Whether a helper is in the user's package and not in a library."""
  function = value.func if isinstance(value, functools.partial) else value
  package = user.__module__.partition('.')[0]
  return getattr(function, '__module__', '').partition('.')[0] == package
