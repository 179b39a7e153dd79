"""The operative configuration of a run, in MODEL_DIR/config.gin."""

from collections.abc import Mapping
import os
import re

import gin

from flan_jax.definitions import registry
from flan_jax.runtime import processes, recorded_files
from flan_jax.runtime.paths import user_path

_CONFIG = 'config.gin'
# A binding and the indented lines that continue it.
_BINDING = re.compile(r'^(\S+) = ?(.*(?:\n[ \t]+.*|\n[)\]}].*)*)', re.MULTILINE)
_MOST_SHOWN = 200


def write(model_dir: str | os.PathLike, resumed: bool = False) -> None:
  """Writes the operative configuration, once a run is accepted.

  Args:
    model_dir: Folder of the run; made if it is missing.
    resumed: Whether to print what differs from what is there.
  """
  folder = user_path(model_dir)
  folder.mkdir(parents=True, exist_ok=True)
  path = folder / _CONFIG
  text = gin.operative_config_str()
  digest = registry.template_set()
  if digest is not None:
    # Gin does not know the template set.
    text = f'# Template set: {digest}\n\n{text}'
  if resumed and path.exists():
    before = path.read_bytes().decode('utf-8', 'replace')
    for line in changes(before, text):
      processes.log(line)
  recorded_files.write(folder, {_CONFIG: text})


def changes(before: str, after: str) -> list[str]:
  """Returns a line for each binding that two configurations differ in.

  >>> changes('A = 1\\nB = 2\\nC = 3', 'A = 1\\nB = 4\\nD = 5')
  ['changed: B = 2 -> 4', 'changed: C = 3 -> not set', \
'changed: D = not set -> 5']
  """
  old, new = _bindings(before), _bindings(after)
  return [
    f'changed: {name} = {_shown(old.get(name))} -> {_shown(new.get(name))}'
    for name in dict.fromkeys([*old, *new])
    if old.get(name) != new.get(name)
  ]


def _bindings(text: str) -> Mapping[str, str]:
  """Returns the value of each binding, in one line."""
  return {
    name: ' '.join(value.replace('\\\n', ' ').split())
    for name, value in _BINDING.findall(text)
  }


def _shown(value: str | None) -> str:
  if value is None:
    return 'not set'
  return value if len(value) <= _MOST_SHOWN else f'{value[:_MOST_SHOWN]}…'
