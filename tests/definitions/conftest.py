"""Files of template sets."""

import json

import pytest


@pytest.fixture
def write_set(tmp_path):
  """Writes a template set and returns its path."""

  def write(content, name='set.json') -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)

  return write
