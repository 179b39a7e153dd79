"""Template sets: files of templates that replace those of some datasets.

A set is JSON, or a Python file whose dictionary is read but never executed:

  {"rte": [["{premise}\\n{hypothesis}?\\n{options}", "{answer}"],
           {"input": "State a fact.", "target": "{premise}", "inverted": true}]}

Keys are datasets or parts, and fields are those of their declarations. The keys
and fields of FLAN's published templates are understood as well
(`published_names`). Shipped sets are in `tasks/`; their bare names are enough.
"""

import ast
from collections.abc import Iterator, Mapping
import contextlib
import dataclasses
import importlib.resources
import os
import string
from typing import Any

from flan_jax.definitions import digests, published_names, registry
from flan_jax.definitions.dataset import (
  ANSWER_TARGET,
  OPTIONS,
  RESERVED_FIELDS,
  Dataset,
  DatasetError,
  Template,
  placeholders,
)
from flan_jax.errors import UserError, nearest
from flan_jax.runtime.json_text import (
  read_json,
  read_text,
  shown,
  without_repeats,
)

# The dictionary that is read if a Python file has several.
_PYTHON_NAME = 'PATTERNS'

# The package with the shipped sets, as JSON.
_SHIPPED = 'flan_jax.tasks'

# Keys and types of a template that is written as an object.
_KEYS = {
  'input': str,
  'target': str,
  'inverted': bool,
  'only_if': list | tuple | None,
  'group': str | None,
}


class TemplateSetError(UserError):
  """A template set that cannot be used; names file, dataset and template."""


@dataclasses.dataclass(frozen=True)
class TemplateSet:
  """Templates that replace those of the datasets they are for.

  Attributes:
    path: The file.
    templates: Dataset or part -> its templates, in our names.
  """

  path: str
  templates: Mapping[str, tuple[Template, ...]]

  @property
  def digest(self) -> str:
    """Hash of the templates, however the file is written."""
    return digests.digest(
      {
        name: [dataclasses.asdict(template) for template in templates]
        for name, templates in self.templates.items()
      }
    )


def apply(path: str) -> TemplateSet:
  """Replaces the templates of the datasets that a file names.

  Call it once, after everything is registered and before a name is resolved.

  Args:
    path: As in `load`.

  Raises:
    TemplateSetError: the file cannot be read, names something unknown, or has
      a template that cannot be trained on or evaluated. Nothing is replaced.
  """
  found = load(path)
  try:
    registry.replace_templates(found.templates, found.digest)
  except DatasetError as error:
    raise TemplateSetError(f'{path}: {error}') from error
  return found


@contextlib.contextmanager
def applied(path: str | None) -> Iterator[None]:
  """Replaces templates as `apply` does, and restores them at the end.

  Names that were resolved before keep their templates. With None, nothing is
  replaced.
  """
  if path is None:
    yield
    return
  kept = registry.kept_datasets()
  apply(path)
  try:
    yield
  finally:
    registry.restore(kept)


def load(path: str) -> TemplateSet:
  """Reads a template set and translates it to our names.

  Args:
    path: A file that ends in `.py`, or a JSON file, or the name of a shipped
      set: a word without folder and suffix.

  Raises:
    TemplateSetError: it cannot be read, no set of that name is shipped, or it
      names an unknown dataset or field (suggests the nearest).
  """
  path = _locate(path)
  found: dict[str, tuple[Template, ...]] = {}
  for key, entries in _read(path).items():
    where = f'{path}, dataset {key!r}'
    for name in _datasets(path, key):
      if name in found:
        raise TemplateSetError(f'{where}: {name} has templates already')
      found[name] = _templates(where, name, entries)
  return TemplateSet(path, found)


def _locate(path: str) -> str:
  """Returns the file of a shipped set, any other path unchanged.

  >>> _locate('mine.json')
  'mine.json'
  """
  if os.path.basename(path) != path or os.path.splitext(path)[1]:
    return path
  shipped = {
    file.name.removesuffix('.json'): str(file)
    for file in importlib.resources.files(_SHIPPED).iterdir()
    if file.name.endswith('.json')
  }
  if path not in shipped:
    raise TemplateSetError(
      f'no template set named {path!r} is shipped, only '
      f'{", ".join(sorted(shipped))}; for a file of your own without a suffix, '
      f'pass ./{path}'
    )
  return shipped[path]


def _read(path: str) -> Mapping[str, Any]:
  if path.endswith('.py'):
    found = _read_python(path)
  else:
    hook = without_repeats(path, TemplateSetError)
    found = read_json(path, TemplateSetError, hook)
  if not isinstance(found, dict) or not found:
    raise TemplateSetError(f'{path} must be a dictionary of datasets')
  return found


def _read_python(path: str) -> dict[str, Any]:
  text = read_text(path, TemplateSetError)
  try:
    return _python_dictionary(path, ast.parse(text))
  except SyntaxError as error:
    raise TemplateSetError(
      f'{path}, line {error.lineno}: {error.msg}'
    ) from error
  # Python's parser has limits of depth and digits.
  except (ValueError, RecursionError, MemoryError) as error:
    raise TemplateSetError(
      f'{path} is nested too deeply, or has a number of too many digits: '
      'write it as JSON'
    ) from error


def _python_dictionary(path: str, module: ast.Module) -> dict[str, Any]:
  """Evaluates the one dictionary literal that a module assigns to a name."""
  found = {}
  for node in module.body:
    if isinstance(node, ast.Assign | ast.AnnAssign):
      names = node.targets if isinstance(node, ast.Assign) else [node.target]
      if isinstance(node.value, ast.Dict):
        found |= {n.id: node.value for n in names if isinstance(n, ast.Name)}
  if len(found) > 1 and _PYTHON_NAME in found:
    found = {_PYTHON_NAME: found[_PYTHON_NAME]}
  if len(found) != 1:
    raise TemplateSetError(
      f'{path} assigns {len(found)} dictionaries at its top level; assign '
      f'one: {_PYTHON_NAME} = {{...}}'
    )
  (literal,) = found.values()
  for node in ast.walk(literal):
    _check_literal(path, node)
  return ast.literal_eval(literal)


def _check_literal(path: str, node: ast.AST) -> None:
  """Raises TemplateSetError for code, which would have to be run."""
  literals = (ast.Dict, ast.List, ast.Tuple, ast.Constant, ast.expr_context)
  if not isinstance(node, literals):
    raise TemplateSetError(
      f'{path}, line {node.lineno}: {ast.unparse(node)[:60]} is code; use '
      'only texts, lists and dictionaries'
    )
  if isinstance(node, ast.Dict):
    seen = set()
    for key in node.keys:
      text = getattr(key, 'value', None)
      if not isinstance(text, str) or text in seen:
        line = node.lineno if key is None else key.lineno
        raise TemplateSetError(
          f'{path}, line {line}: a key must be a text that occurs once'
        )
      seen.add(text)


def _datasets(path: str, key: Any) -> tuple[str, ...]:
  """Returns the registered names that a key refers to."""
  ours = {*registry.parts(), *(d.name for d in registry.datasets())}
  names = published_names.datasets_of(key)
  if not set(names) <= ours:
    hint = nearest(str(key), {*ours, *published_names.keys()})
    raise TemplateSetError(f'{path}: unknown dataset {key!r}{hint}')
  return names


def _templates(where: str, name: str, entries: Any) -> tuple[Template, ...]:
  if not isinstance(entries, list | tuple) or not entries:
    raise TemplateSetError(f'{where}: give a list of templates')
  part = _first_part(name)
  patterns = {
    **{field: f'{{{field}}}' for field in (*part.fields, *RESERVED_FIELDS)},
    **published_names.fields_of(name),
  }
  return tuple(
    _template(f'{where}, template {index}', part, patterns, entry)
    for index, entry in enumerate(entries)
  )


def _first_part(name: str) -> Dataset:
  """Returns the part of that name, or the first part of the dataset."""
  dataset = registry.find_dataset(name)
  return dataset.resolve_parts()[0] if dataset else registry.find_part(name)[1]


def _template(
  where: str, part: Dataset, patterns: Mapping[str, str], entry: Any
) -> Template:
  """Returns the template that a pair or an object describes."""
  given = _as_object(where, entry)
  template = Template(
    input=_in_our_fields(f'{where}, input', given['input'], patterns),
    target=_in_our_fields(f'{where}, target', given['target'], patterns),
  )
  # What the dataset's own templates answer -> the group it is reported as.
  groups = {
    frozenset(own.target_fields()): own.group
    for own in part.templates
    if not own.inverted
  }
  asked = frozenset(template.target_fields())
  shown = set(template.input_fields()) - {OPTIONS}
  inverted = given.get('inverted', asked not in groups or not shown)
  group = given.get('group', None if inverted else groups.get(asked))
  if not inverted and group not in groups.values():
    known = ', '.join(map(repr, groups.values()))
    raise TemplateSetError(
      f'{where}: unknown group {group!r}; use one of {known}'
    )
  if not inverted and asked & shown:
    raise TemplateSetError(f'{where}: the input gives the answer away')
  only_if = given.get('only_if')
  return dataclasses.replace(
    template,
    inverted=inverted,
    group=group,
    only_if=None if only_if is None else tuple(only_if),
  )


def _as_object(where: str, entry: Any) -> dict[str, Any]:
  """Returns a template as an object, with its types checked."""
  if isinstance(entry, list | tuple) and len(entry) == 2:
    entry = dict(zip(('input', 'target'), entry, strict=True))
  if not isinstance(entry, dict) or 'input' not in entry:
    raise TemplateSetError(
      f'{where}: give a pair [input, target] or an object with an input'
    )
  for name, value in entry.items():
    if name not in _KEYS:
      hint = nearest(str(name), _KEYS)
      raise TemplateSetError(f'{where}: unknown key {name!r}{hint}')
    texts = value if isinstance(value, list | tuple) else ()
    if not isinstance(value, _KEYS[name]) or not all(
      isinstance(text, str) for text in texts
    ):
      raise TemplateSetError(f'{where}: {name} must not be {shown(value)}')
  return {'target': ANSWER_TARGET, **entry}


def _in_our_fields(
  where: str, pattern: str, patterns: Mapping[str, str]
) -> str:
  """Returns a pattern with every field in our names.

  >>> _in_our_fields('', '{text}\\n\\n{options_} ', {
  ...     'text': '{review}', 'options_': '{options}'})
  '{review}\\n\\n{options}'

  Surrounding spaces and lines are dropped, because the options come last and a
  token separates input and target.
  """
  try:
    names = placeholders(pattern)
  except ValueError as error:
    raise TemplateSetError(f'{where}: {error}') from error
  for name in names:
    if name not in patterns:
      hint = nearest(name, patterns)
      raise TemplateSetError(f'{where}: unknown field {name!r}{hint}')
  pieces = []
  for literal, name, _, _ in string.Formatter().parse(pattern):
    pieces.append(literal.replace('{', '{{').replace('}', '}}'))
    if name is not None:
      pieces.append(patterns[name])
  text = ''.join(pieces).strip()
  if not text:
    raise TemplateSetError(f'{where} is empty')
  return text
