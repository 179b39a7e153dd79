"""Fixtures for tests that declare datasets of their own."""

from collections.abc import Iterator
import pathlib
import sys

import pytest

from flan_jax.definitions import registry
from flan_jax.runtime import user_modules


@pytest.fixture
def own_registry(monkeypatch) -> Iterator[None]:
  """Undoes what a test registers or replaces."""
  registry.load()  # What every test finds is not forgotten.
  monkeypatch.setattr(registry, '_DATASETS', dict(registry._DATASETS))
  monkeypatch.setattr(registry, '_MIXTURES', dict(registry._MIXTURES))
  yield
  monkeypatch.undo()
  registry.parts.cache_clear()


@pytest.fixture
def own_folder(own_registry, tmp_path, monkeypatch) -> Iterator[pathlib.Path]:
  """A new working directory, whose modules and datasets are forgotten.

  As for the console script, it is not on the path.
  """
  monkeypatch.chdir(tmp_path)
  monkeypatch.setattr(sys, 'path', [p for p in sys.path if p not in ('', '.')])
  monkeypatch.setattr(user_modules._FINDER, 'names', set())
  before = set(sys.modules)
  yield tmp_path
  for name in set(sys.modules) - before:
    file = getattr(sys.modules[name], '__file__', None) or ''
    if file.startswith(str(tmp_path)):
      del sys.modules[name]
