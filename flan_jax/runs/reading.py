"""The flags of the commands that look at rows."""

import argparse
from typing import NoReturn

from flan_jax.errors import ConfigError


class FlagParser(argparse.ArgumentParser):
  """Parses plain flags; a mistake raises ConfigError, which is one line."""

  def __init__(self, prog: str, description: str):
    """Initializes the parser with the flags that every command has."""
    super().__init__(prog=prog, description=description, allow_abbrev=False)
    self.add_argument(
      '--data_dir', help="TFDS data directory; TFDS's own if not given"
    )
    self.add_argument(
      '--task_module',
      action='append',
      default=[],
      help='a module that registers your datasets',
    )

  def error(self, message: str) -> NoReturn:
    raise ConfigError(f'{message}; see {self.prog} --help')
