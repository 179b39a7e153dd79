"""Checks what gin has bound, before anything runs.

A command is checked by walking from its run function over what is bound to it,
as gin does when it calls it.
"""

from collections.abc import Iterable, Iterator
import dataclasses
import graphlib
import itertools
import typing
from typing import Annotated, Any

import gin

from flan_jax import configurables
from flan_jax.errors import ConfigError, nearest
from flan_jax.macros import MACROS
from flan_jax.setting_types import check, refusal, shown

_MACRO = 'gin.macro'
_CONSTANT = 'gin.constant'
_DEEPEST = 100  # References that lead from one to the next.
_NAMED = 4  # Parameters that an error names.

# What gin calls a configurable or macro: (scope, selector).
_Key = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class _Binding:
  """A value that is bound to a parameter, with its annotation."""

  name: str
  kind: Any
  value: Any


def check_bindings(run: str) -> None:
  """Checks the macros and parameters that gin has, for a run function.

  Raises:
    ConfigError: A macro is misspelt or refers to itself, a required one is
      missing, or a value is not of the type and range of its parameter.
  """
  _check_names()
  _check_circles()
  keys = _reachable(run)
  _check_required(scope for scope, selector in keys if selector == _MACRO)
  checked = set()
  for binding in itertools.chain.from_iterable(map(_bound, keys)):
    checked |= _check(binding)
  _check_unread(checked)


def check_complete(run: str, run_file: str) -> None:
  """Checks that gin gives a value to all that a call of a run function needs.

  Args:
    run: Its name; `check_bindings` has accepted what is bound.
    run_file: The shipped file that binds its parameters.

  Raises:
    ConfigError: A parameter of the function, or of what gin makes for it, has
      neither a default nor a value; names the file that gives it one.
  """
  for key in _reachable(run):
    name = _short(key[1])
    needed = [f'{name}.{one}' for one in configurables.needed(key[1])]
    given = {binding.name for binding in _bound(key)}
    if missing := [one for one in needed if one not in given]:
      what, file = 'run', run_file
      if name == 'DecoderConfig':
        what, file = 'model', 'models/tiny.gin'
      more = ' and others' if len(missing) > _NAMED else ''
      raise ConfigError(
        f'nothing gives a value to {", ".join(missing[:_NAMED])}{more}: name '
        f'the file of the {what}, such as --gin_file={file}'
      )


def _check_names() -> None:
  """Raises ConfigError for a macro that nothing reads or that is not set."""
  known = {scope for scope, selector in _config() if selector == _MACRO}
  read = set(_macros_in(list(_config().values())))
  if '' in known:
    raise ConfigError(
      "'macro.value' names no macro: set one as in --gin.SEED=0, or in a gin "
      'file as in SEED = 0'
    )
  for name in sorted(known - read - set(MACROS)):
    hint = nearest(name, read | set(MACROS))
    raise ConfigError(f'macro {name} is set, but nothing reads it{hint}')
  for name in sorted(read - known):
    raise ConfigError(f'macro {name} is read, but not set')


def _check_circles() -> None:
  """Raises ConfigError for a macro or parameter that needs its own value."""
  graph = {
    key: {ref.config_key for ref in _references(values) if ref.evaluate}
    for key, values in _config().items()
  }
  depths = {}
  try:
    for key in graphlib.TopologicalSorter(graph).static_order():
      depths[key] = 1 + max((depths[k] for k in graph.get(key, ())), default=0)
  except graphlib.CycleError as error:
    # The cycle is from what is read to what reads it.
    circle = [_words(key) for key in reversed(error.args[1])]
    raise ConfigError(
      f'{circle[0]} refers to itself ({" -> ".join(circle)}): give one of them '
      'a value'
    ) from None
  # Gin follows them by recursion.
  far = next((key for key, n in depths.items() if n > _DEEPEST), None)
  if far is not None:
    raise ConfigError(
      f'{_words(far)} refers to a value by more than {_DEEPEST} steps: bind it '
      'directly'
    )


def _words(key: _Key) -> str:
  scope, selector = key
  return scope if selector == _MACRO else f'@{_short(selector)}()'


def _check_required(macros: Iterable[str]) -> None:
  """Raises ConfigError for missing macros that the run would read."""
  missing = sorted(name for name in macros if _is_required(_value_of(name)))
  if missing:
    named = '; '.join(
      f'{n}: {MACROS[n].meaning}' if n in MACROS else n for n in missing
    )
    raise ConfigError(
      f'not set, as in --gin.{missing[0]}=VALUE or in a gin file: {named}'
    )


def _check(binding: _Binding) -> set[str]:
  """Checks a value, and returns the names of the macros that it checked.

  Raises:
    ConfigError: It is refused; names the macro that holds it, if one does.
  """
  name, kind, value = binding.name, binding.kind, binding.value
  if kind is Any:
    return set()
  checked = set()
  while _is(value, _MACRO):
    name = value.config_key[0]
    checked.add(name)
    value = _value_of(name)
  if (item := _item_kind(kind)) and isinstance(value, list | tuple):
    # A macro in a list is to blame by itself.
    for one in filter(lambda one: _is(one, _MACRO), value):
      checked |= _check(_Binding(name, item, one))
  found = _resolved(value)
  if found is not _UNKNOWN and refusal(kind, found) is not None:
    # Shows references as they are written.
    raise ConfigError(
      f'{name} is {shown(value)}: it must be {refusal(kind, found)}'
    )
  return checked


def _check_unread(checked: set[str]) -> None:
  """Checks what this run does not read.

  A macro may have any value that the table or some loaded file allows.
  """
  others = [
    binding
    for key, values in _config().items()
    if key[1] != _MACRO
    for binding in _typed(key, values)
  ]
  for binding in others:
    if binding.kind is not Any and not _macros_in(binding.value):
      _check(binding)
  readers = {}
  for binding in others:
    if _is(binding.value, _MACRO):
      name = binding.value.config_key[0]
      readers.setdefault(name, []).append(binding.kind)
  for name in sorted(set(MACROS) - checked):
    if _is(_value_of(name), _MACRO):
      continue  # The other macro is to blame, if this one is ever read.
    value = _resolved(_value_of(name))
    if value is _UNKNOWN:
      continue
    if all(refusal(kind, value) for kind in readers.get(name, ())):
      check(name, configurables.kind(MACROS[name].parameter), value)


def _item_kind(kind: Any) -> Any:
  """Returns the annotation of the items of a list."""
  if typing.get_origin(kind) is Annotated:
    kind = typing.get_args(kind)[0]
  arguments = typing.get_args(kind)
  return arguments[0] if len(arguments) == 1 else None


# Stands for what only a call can tell, such as '@my_lab.rate()'.
_UNKNOWN = object()


def _resolved(value: Any) -> Any:
  """Returns a value with its macros replaced, or `_UNKNOWN`."""
  if _is(value, _MACRO):
    return _resolved(_value_of(value.config_key[0]))
  if isinstance(value, gin.config.ConfigurableReference):
    made = value.configurable.wrapped
    if not value.evaluate:
      return made
    # An object of the class; its fields are checked by themselves.
    return object.__new__(made) if isinstance(made, type) else _UNKNOWN
  if isinstance(value, list | tuple | set):
    items = [_resolved(item) for item in value]
    return _UNKNOWN if _UNKNOWN in items else type(value)(items)
  if isinstance(value, dict):
    items = _resolved(list(value.values()))
    return items if items is _UNKNOWN else dict(zip(value, items, strict=True))
  return value


def _config() -> dict[_Key, dict[str, Any]]:
  return gin.config._CONFIG


def _value_of(macro: str) -> Any:
  """Returns the value of a macro; `_UNKNOWN` if it is not set."""
  return _config().get((macro, _MACRO), {}).get('value', _UNKNOWN)


def _bound(key: _Key) -> Iterator[_Binding]:
  """Yields what is bound to the parameters of a configurable."""
  scope, selector = key
  for (bound_scope, bound), values in _config().items():
    # What is bound without a scope, or in an outer one, holds in all.
    if bound == selector and f'{scope}/'.startswith(
      f'{bound_scope}/' if bound_scope else ''
    ):
      yield from _typed(key, values)


def _typed(key: _Key, values: dict[str, Any]) -> Iterator[_Binding]:
  kinds, name = configurables.kinds(key[1]), _short(key[1])
  for parameter, value in values.items():
    yield _Binding(f'{name}.{parameter}', kinds.get(parameter, Any), value)


def _reachable(run: str) -> list[_Key]:
  """Returns the configurables and macros that a run function reads."""
  todo = [('', f'flan_jax.{run}')]
  seen: dict[_Key, None] = {}
  while todo:
    key = todo.pop()
    if key in seen:
      continue
    seen[key] = None
    todo += [r.config_key for b in _bound(key) for r in _references(b.value)]
  return list(seen)


def _references(value: Any) -> list[Any]:
  return list(gin.config.iterate_references(value))


def _macros_in(value: Any) -> list[str]:
  return [r.config_key[0] for r in _references(value) if _is(r, _MACRO)]


def _is(value: Any, selector: str) -> bool:
  """Returns whether a value is a reference to a macro or a constant."""
  return (
    isinstance(value, gin.config.ConfigurableReference)
    and value.config_key[1] == selector
    and value.evaluate
  )


def _is_required(value: Any) -> bool:
  return _is(value, _CONSTANT) and value.config_key[0] == 'gin.REQUIRED'


def _short(selector: str) -> str:
  return selector.removeprefix('flan_jax.')
