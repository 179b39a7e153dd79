"""The version of rendering and tokenizing."""

RENDERING_VERSION = 1


def engine_digest() -> str:
  """Returns the version of the code that makes tokens of rows."""
  return f'rendering-{RENDERING_VERSION}'
