"""Remote paths in tests: `gs://…` kept in a local folder."""

from collections.abc import Iterator
import contextlib
import os
import pathlib

from etils.epath import gpath, testing


@contextlib.contextmanager
def remote_paths(monkeypatch, folder: pathlib.Path) -> Iterator[None]:
  """Keeps the files of `gs://…` in the folder `gs:` of a local folder."""
  monkeypatch.chdir(folder)
  # epath would read them through TensorFlow.
  monkeypatch.setattr(gpath, '_is_tf_installed', lambda: False)

  def copy(original, path, target, *, overwrite):
    # An object store has no folders to create.
    os.makedirs(os.path.dirname(target), exist_ok=True)
    return original(path, target, overwrite=overwrite)

  with testing.mock_epath(copy=copy):
    yield
