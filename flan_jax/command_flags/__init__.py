"""The flags of the commands that gin does not configure, one module for each.

They load neither JAX nor TensorFlow, so that `--help` is fast. What a command
does is in a module of `flan_jax.runs`.
"""

import importlib

from flan_jax.flags import FlagParser


def parser(command: str) -> FlagParser:
  """Returns the parser of a command."""
  name = f'{command.replace("-", "_")}_flags'
  return importlib.import_module(f'{__name__}.{name}').make_parser()
