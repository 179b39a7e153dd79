"""`flan-jax new-task`: writes a task module for a file of rows."""

from collections.abc import Sequence
import json
import pathlib

from flan_jax.command_flags.new_task_flags import make_parser
from flan_jax.definitions import registry
from flan_jax.definitions.template import FIELD_NAME
from flan_jax.errors import ConfigError
from flan_jax.runtime.paths import user_path
from flan_jax.sources.arrow_tables import read_tables
from flan_jax.sources.skeleton import write_module
from flan_jax.sources.table_files import (
  ENDINGS,
  HUB,
  find_files,
  is_table,
  missing_files,
)
from flan_jax.terminal.blocks import Paragraph
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; prints what to do next.

  Raises:
    UserError: The file cannot be read, the name is taken, or the module exists.
  """
  flags = make_parser().parse_args(argv)
  name, source = flags.name, _source(flags.rows)
  if not FIELD_NAME.match(name) or not name.isidentifier():
    raise ConfigError(
      f'{name!r} is not a name: use a-z, 0-9 and _, and begin with a letter'
    )
  registry.load()
  datasets = {dataset.name for dataset in registry.datasets()}
  if name in {*datasets, *registry.parts()} or registry.find_mixture(name):
    raise ConfigError(f'{name} is registered already: choose another name')
  files = find_files(source, None)
  if files is None:
    raise ConfigError(missing_files(source, name, None))
  tables = read_tables(files)
  text = write_module(name, source, tables)
  path = pathlib.Path(f'{name}.py')
  try:
    with path.open('x', encoding='utf-8') as file:
      file.write(text)
  except FileExistsError:
    raise ConfigError(
      f'{path.resolve()} exists: remove it, or choose another name'
    ) from None
  kinds = [f'{c} {json.dumps(kind)}' for c, kind in tables.features.items()]
  sizes = ', '.join(f'{split} {n:,}' for split, n in tables.sizes.items())
  if set(tables.sizes) == {'train'}:
    sizes += ', which are divided into train, validation and test'
  show(
    [
      Paragraph(f'rows: {sizes}; columns: {", ".join(kinds)}'),
      f'wrote {path}: correct what is guessed in it, then look at the prompts:',
      f'  flan-jax inspect {name} --task_module={name}',
    ]
  )
  return 0


def _source(rows: str) -> str:
  """Returns the source of a path, or a source as it is."""
  if is_table(rows):
    return rows
  path = user_path(rows)
  names = [p.suffix for p in path.iterdir()] if path.is_dir() else [path.suffix]
  for kind, endings in ENDINGS.items():
    if set(endings) & set(names):
      return f'{kind}:{rows}'
  if path.is_dir():
    return f'{HUB}:{path.absolute()}'
  known = ', '.join(
    ending for endings in ENDINGS.values() for ending in endings
  )
  raise ConfigError(f'--from={rows}: the name of a file ends in {known}')
