"""A dataset of short texts of any size, written straight as a TFDS folder."""

from collections.abc import Iterator
import dataclasses
import os
import pathlib
import random
from typing import Any

from flan_jax.definitions import registry
from flan_jax.testing.rule import RULE

NAME = 'short_rows'
_ROWS_PER_FILE = 50_000
_FEWEST_WORDS, _MOST_WORDS = 6, 24
_WORDS = (
  'the a some every near behind after with and or of quiet early grey slow '
  'bright walked carried watched painted counted left found today again often '
  'whale harbour sail tide reef horse meadow plough hedge barn'
).split()

DATASET = registry.register(
  dataclasses.replace(
    RULE,
    name=NAME,
    source=f'{NAME}:1.0.0',
    splits={'train': 'train'},
    rows={'train': 1_000_000},
  )
)


def write(data_dir: pathlib.Path, rows: int, seed: int = 0) -> None:
  """Writes training rows file by file, so that memory holds one file.

  Args:
    data_dir: TFDS data directory.
    rows: Number of rows.
    seed: Seed of the texts.
  """
  import tensorflow_datasets as tfds

  folder = data_dir / NAME / '1.0.0'
  folder.mkdir(parents=True, exist_ok=True)
  identity = tfds.core.dataset_builder.dataset_info.DatasetIdentity(
    name=NAME,
    version=tfds.core.Version('1.0.0'),
    data_dir=os.fspath(folder),
    module_name=__name__,
  )
  info = tfds.core.DatasetInfo(
    builder=identity,
    description='Short generated texts.',
    features=tfds.features.FeaturesDict(
      {
        'words': tfds.features.Text(),
        'label': tfds.features.ClassLabel(names=list(RULE.choices)),
      }
    ),
  )
  writer = tfds.core.SequentialWriter(info, _ROWS_PER_FILE)
  writer.initialize_splits(['train'])
  for start in range(0, rows, _ROWS_PER_FILE):
    numbers = range(start, min(start + _ROWS_PER_FILE, rows))
    writer.add_examples({'train': _rows(numbers, seed)})
  writer.close_all()


def _rows(numbers: range, seed: int) -> Iterator[dict[str, Any]]:
  """Yields rows; the number in each text makes it unique."""
  generator = random.Random(f'{seed} {numbers.start}')
  for number in numbers:
    count = generator.randint(_FEWEST_WORDS, _MOST_WORDS)
    words = ' '.join(generator.choices(_WORDS, k=count))
    yield {'words': f'{number}: {words}', 'label': number % 2}
