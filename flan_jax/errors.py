"""Errors that a user can fix; anything else is a bug and keeps its traceback.

The command line prints the message of a `UserError` in one line and exits
with 2. Every other exception passes through with its traceback.
"""

from collections.abc import Iterable
import difflib


class UserError(Exception):
  """A mistake that the user can fix.

  The message names the file, key or row, and says how to fix it.
  """


class ConfigError(UserError):
  """A setting that cannot work; names the setting."""


def nearest(name: str, known: Iterable[str], cutoff: float = 0.4) -> str:
  """Returns '; nearest: …' with up to three similar names, or ''."""
  close = difflib.get_close_matches(name, sorted(known), n=3, cutoff=cutoff)
  return f'; nearest: {", ".join(close)}' if close else ''
