"""Template sets: files of them, and a registry that forgets them."""

import json

import pytest

from flan_jax.definitions import registry


@pytest.fixture
def own_registry(monkeypatch):
  """Undoes what a test registers or replaces."""
  monkeypatch.setattr(registry, '_DATASETS', dict(registry._DATASETS))
  monkeypatch.setattr(registry, '_MIXTURES', dict(registry._MIXTURES))
  yield
  monkeypatch.undo()
  registry.parts.cache_clear()


@pytest.fixture
def write_set(tmp_path):
  """Writes a template set and returns its path."""

  def write(content, name='set.json') -> str:
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text)
    return str(tmp_path / name)

  return write
