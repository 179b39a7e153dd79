"""A digest of the code that turns rows of a source into the bytes of a unit.

The code is read, not imported, so that a worker without TensorFlow finds the
digest of the one that has made a cache. It is followed from where a shard is
written: a name that is used leads to its definition, an annotation to its
class, over the modules of this package. Comments, docstrings, layout and order
do not count, nor does code that has no part in it.
"""

import ast
from collections.abc import Iterator
import functools
import pathlib
from typing import Any

from flan_jax.cache import identity

_PACKAGE = pathlib.Path(__file__).resolve().parents[1]

# Module and name of a definition; of a method, `Class.method`.
_Name = tuple[str, str]

# What writes a shard, and what decides its rows and their renderings.
_ROOTS: tuple[_Name, ...] = (
  ('flan_jax.cache.shard', '_write_files'),
  ('flan_jax.cache.writer', 'CacheWriter._tasks'),
)
# They say where things lie and whether they are what they should be. What is
# registered is hashed by itself, see `fingerprint.describe_part`.
_NOT_FOLLOWED = (
  'flan_jax.cache.engine_code',
  'flan_jax.cache.identity',
  'flan_jax.definitions.registry',
  'flan_jax.cache.remote',
)

# Fields of syntax that no meaning depends on.
_MEANINGLESS = ('ctx', 'kind', 'type_comment')


@functools.cache
def engine_digest(package: pathlib.Path = _PACKAGE) -> str:
  """Returns the digest of the code that decides what a unit holds.

  Args:
    package: Folder of the package's source.

  Raises:
    LookupError: the code that writes shards is not where it was.
  """
  modules: dict[str, _Module] = {}
  found: dict[_Name, list[str]] = {}
  todo = list(_ROOTS)
  while todo:
    where = module, name = todo.pop()
    if where in found or module in _NOT_FOLLOWED:
      continue
    if module not in modules:
      modules[module] = _Module(package, module)
    found[where] = []
    for node in modules[module].definitions.get(name, ()):
      text, used = modules[module].read(node)
      found[where].append(text)
      todo += used
  for root in _ROOTS:
    if not found[root]:
      raise LookupError(f'{package} has no {".".join(root)}')
  # Names that nothing in this package defines are Python's, or local ones.
  texts = {'.'.join(where): text for where, text in found.items() if text}
  return identity.digest(texts)


class _Module:
  """The source of a module of this package.

  Attributes:
    definitions: Name -> the statements that define it; of a class also its
      methods, as `Class.method`.
  """

  def __init__(self, package: pathlib.Path, name: str):
    self._package = package
    self._name = name
    # Local name -> the module that it stands for, or what it is elsewhere.
    self._modules: dict[str, str] = {}
    self._names: dict[str, _Name] = {}
    self.definitions: dict[str, list[ast.stmt]] = {}
    path = _file(package, name)
    for node in _statements(ast.parse(path.read_bytes(), str(path)).body):
      if isinstance(node, ast.ImportFrom):
        self._import(node)
      for defined in _defined(node):
        self.definitions.setdefault(defined, []).append(node)
      for member in node.body if isinstance(node, ast.ClassDef) else ():
        for defined in _defined(member):
          self.definitions[f'{node.name}.{defined}'] = [member]

  def _import(self, node: ast.ImportFrom) -> None:
    """Notes what is imported from this package."""
    module = node.module or ''
    for alias in node.names:
      local = alias.asname or alias.name
      if _file(self._package, f'{module}.{alias.name}'):
        self._modules[local] = f'{module}.{alias.name}'
      elif _file(self._package, module):
        self._names[local] = module, alias.name

  def read(self, node: ast.stmt) -> tuple[str, list[_Name]]:
    """Returns the meaning of a definition, and what it may use."""
    reader = _Reader()
    reader.read(node)
    for statement in reader.imports:
      self._import(statement)
    used = [self._names.get(name, (self._name, name)) for name in reader.names]
    for owner, name in reader.attributes:
      if owner in self._modules:
        used.append((self._modules[owner], name))
    return ''.join(reader.text), used


class _Reader:
  """Writes syntax as text, the same under every version of Python.

  Attributes:
    text: Pieces of the text.
    names: Names that were read.
    attributes: (name, its attribute).
    imports: Import statements.
  """

  def __init__(self):
    self.text: list[str] = []
    self.names: set[str] = set()
    self.attributes: set[tuple[str, str]] = set()
    self.imports: list[ast.ImportFrom] = []

  def read(self, value: Any) -> None:
    if isinstance(value, ast.AST):
      self._note(value)
      self.text.append(f'{type(value).__name__}(')
      for name in value._fields:
        field = getattr(value, name, None)
        if name == 'body' and _has_docstring(value):
          field = field[1:]
        # Fields that newer versions have are empty in code of older ones.
        if field is not None and field != [] and name not in _MEANINGLESS:
          self.text.append(f'{name}=')
          self.read(field)
      self.text.append(')')
    elif isinstance(value, list):
      self.text.append('[')
      for item in value:
        self.read(item)
        self.text.append(',')
      self.text.append(']')
    else:
      self.text.append(repr(value))

  def _note(self, node: ast.AST) -> None:
    if isinstance(node, ast.Name):
      self.names.add(node.id)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
      self.attributes.add((node.value.id, node.attr))
    elif isinstance(node, ast.ImportFrom):
      self.imports.append(node)


def _file(package: pathlib.Path, module: str) -> pathlib.Path | None:
  """Returns the file of a module of this package, None for any other."""
  root, *folders = module.split('.')
  if root != 'flan_jax' or not folders:
    return None
  path = package.joinpath(*folders).with_suffix('.py')
  return path if path.is_file() else None


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
  """Yields the statements of a module, those under conditions too."""
  for node in body:
    yield node
    if isinstance(node, ast.If | ast.With | ast.Try):
      yield from _statements(node.body)
      yield from _statements(getattr(node, 'orelse', []))


def _defined(node: ast.stmt) -> list[str]:
  """Returns the names that a statement defines."""
  if isinstance(node, ast.FunctionDef | ast.ClassDef):
    return [node.name]
  if isinstance(node, ast.Assign):
    targets = node.targets
  elif isinstance(node, ast.AnnAssign):
    targets = [node.target]
  else:
    return []
  parts = (part for target in targets for part in ast.walk(target))
  return [part.id for part in parts if isinstance(part, ast.Name)]


def _has_docstring(node: ast.AST) -> bool:
  if not isinstance(node, ast.FunctionDef | ast.ClassDef):
    return False
  return ast.get_docstring(node, clean=False) is not None
