"""A model is a folder, a file or a package; anything else is an error."""

import sys

import pytest

from flan_jax.interop import InteropError, open_source
from flan_jax.interop.safetensors_folder import SafetensorsFolder


def test_a_folder(make_folder):
  assert isinstance(open_source(str(make_folder())), SafetensorsFolder)


def test_a_package_is_found_without_being_imported(make_folder, monkeypatch):
  folder = make_folder(name='carries_a_model')
  (folder / '__init__.py').write_text('raise ImportError("imported")')
  monkeypatch.syspath_prepend(str(folder.parent))
  assert open_source('carries-a-model').path == folder
  assert 'carries_a_model' not in sys.modules


@pytest.mark.parametrize(
  'spec', ['no/such/folder', 'no-such-package', 'flan_jax', 'json']
)
def test_other_places_are_refused(spec):
  with pytest.raises(InteropError, match=r'is not a (folder|model)'):
    open_source(spec)


def test_several_gguf_files_are_listed(tmp_path):
  for name in ('a.gguf', 'b.gguf'):
    (tmp_path / name).touch()
  with pytest.raises(InteropError, match=r'a\.gguf, b\.gguf'):
    open_source(str(tmp_path))
