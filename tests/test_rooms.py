"""Import order of the rooms of the package, and sizes of its modules."""

import ast
import collections
import functools
import pathlib

import pytest

_ROOT = pathlib.Path(__file__).resolve().parents[1]
_PACKAGE = _ROOT / 'flan_jax'

# A room imports only rooms that precede it, in the order in which a row
# travels. `docs/architecture.md` describes them.
_ROOMS = (
  'errors',
  'terminal',
  'runtime',
  'setting_types',
  'definitions',
  'tasks',
  'mixtures',
  'sources',
  'vocabulary',
  'rendering',
  'cache',
  'overlap',
  'batches',
  'sharding',
  'model',
  'training',
  'evaluation',
  'interop',
  'planning',
  'launching',
  'studies',
  'inspection',
  'report',
  'explorer',
  'serving',
  'configurables',
  'macros',
  'bindings',
  'everyday_flags',
  'flags',
  'gin_files',
  'config',
  'command_help',
  'command_flags',
  'runs',
  'cli',
  '__main__',
)
# `testing` is for tests. It may import any room except these.
_NOT_FOR_TESTING = ('runs', 'cli', '__main__')
# Only SeqIO's scripts import it.
_ENTRY_POINT = 'flan_jax.tasks.register_all'
_MOST_LINES = 400


@functools.cache
def _modules() -> dict[str, pathlib.Path]:
  """Returns module name -> file, without packages' `__init__`."""
  return {
    '.'.join(path.relative_to(_ROOT).with_suffix('').parts): path
    for path in sorted(_PACKAGE.rglob('*.py'))
    if path.name != '__init__.py'
  }


def _imports(path: pathlib.Path) -> set[str]:
  """Returns the modules of the project that a file imports, anywhere in it."""
  found = set()
  for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
    if isinstance(node, ast.Import):
      found |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module:
      names = {f'{node.module}.{alias.name}' for alias in node.names}
      found |= {name for name in names if name in _modules()} or {node.module}
  return {name for name in found if name.startswith('flan_jax.')}


def _room(module: str) -> str:
  return module.split('.')[1]


_FILES = [
  *_modules().items(),
  *(
    (f'flan_jax.{folder}.{path.stem}', path)
    for folder in ('tasks', 'mixtures')
    for path in sorted((_ROOT / folder).glob('*.py'))
    if f'flan_jax.{folder}.{path.stem}' != _ENTRY_POINT
  ),
  *(
    (f'flan_jax.{path.parent.name}.__init__', path)
    for path in sorted(_PACKAGE.glob('*/__init__.py'))
  ),
]


@pytest.mark.parametrize(
  'module, path', _FILES, ids=[module for module, _ in _FILES]
)
def test_a_module_imports_only_preceding_rooms(module, path):
  room = _room(module)
  imported = {_room(name) for name in _imports(path)} - {room}
  if room == 'testing':
    assert not imported & set(_NOT_FOR_TESTING)
  else:
    assert imported <= set(_ROOMS[: _ROOMS.index(room)])


def test_there_are_no_import_cycles():
  graph = {name: _imports(path) for name, path in _modules().items()}
  done, path = set(), []

  def visit(name):
    assert name not in path, ' -> '.join([*path, name])
    if name in done or name not in graph:
      return
    path.append(name)
    for imported in sorted(graph[name]):
      visit(imported)
    path.pop()
    done.add(name)

  for name in graph:
    visit(name)


def test_every_room_is_in_the_table():
  rooms = {_room(name) for name in _modules()}
  assert rooms - {'testing'} <= set(_ROOMS)


def test_no_two_modules_share_a_name():
  counts = collections.Counter(path.stem for path in _modules().values())
  assert not [name for name, count in counts.items() if count > 1]


def test_modules_are_short():
  lines = {
    name: len(path.read_text(encoding='utf-8').splitlines())
    for name, path in _modules().items()
  }
  assert not {n: count for n, count in lines.items() if count > _MOST_LINES}
  assert sorted(lines.values())[len(lines) // 2] <= 150


def test_gin_holds_no_python():
  # A Python file there would hide gin-config.
  assert not list((_ROOT / 'gin').rglob('*.py'))
