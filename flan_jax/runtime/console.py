"""Text on the console."""

import textwrap

_WIDTH = 80


def wrapped(text: str, indent: str = '') -> list[str]:
  """Returns the lines of a paragraph; URLs and names are not broken."""
  return textwrap.wrap(
    text,
    _WIDTH,
    initial_indent=indent,
    subsequent_indent=indent,
    break_long_words=False,
    break_on_hyphens=False,
  )
