"""Recorded features of the TFDS builders, as making a builder is slow.

Run `python -m tests.tasks.tfds_features` after changing a source.
"""

import functools
import json
import pathlib
import tempfile

from flan_jax.definitions import registry

_PATH = pathlib.Path(__file__).with_suffix('.json')

# Top-level feature -> class names, or None if it is not a ClassLabel.
Features = dict[str, list[str] | None]


@functools.cache
def _recorded() -> dict[str, Features]:
  return json.loads(_PATH.read_text(encoding='utf-8'))


def features(source: str) -> Features:
  """Returns the recorded features of a TFDS source."""
  return _recorded()[source]


def class_names(source: str, label: str = 'label') -> tuple[str, ...]:
  """Returns the recorded class names of a ClassLabel."""
  return tuple(features(source)[label])


def read_features(source: str) -> Features:
  """Returns the features of a source from its builder."""
  import tensorflow_datasets as tfds

  with tempfile.TemporaryDirectory() as folder:
    found = tfds.builder(source, data_dir=folder).info.features
  return {
    name: list(feature.names) if hasattr(feature, 'names') else None
    for name, feature in found.items()
  }


def sources() -> list[str]:
  """Returns the source of every part."""
  registry.load()
  found = (p for _, p in registry.parts().values() if p.cluster != 'testing')
  return sorted({part.source for part in found})


def main() -> None:
  """Records the features of every source."""
  recorded = {source: read_features(source) for source in sources()}
  text = json.dumps(recorded, indent=1, ensure_ascii=False)
  _PATH.write_text(text + '\n', encoding='utf-8')


if __name__ == '__main__':
  main()
