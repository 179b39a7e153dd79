"""A dataset of short texts of any size, written straight as a TFDS folder."""

from collections.abc import Iterator, Sequence
import pathlib
import random

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, Template

NAME = 'short_rows'
_ROWS_PER_FILE = 50_000
_LABELS = ('sea', 'land')
_WORDS = {
  'sea': 'whale harbour sail tide anchor reef gull lighthouse'.split(),
  'land': 'horse meadow plough hedge barn hill crow windmill'.split(),
}
_OTHERS = (
  'the a some every near behind after with and or of quiet early grey slow '
  'bright walked carried watched painted counted left found today again often'
).split()
_FEWEST_WORDS, _MOST_WORDS = 6, 24

registry.register(
  Dataset(
    name=NAME,
    version='1.0.0',
    cluster='testing',
    source=f'{NAME}:1.0.0',
    splits={'train': 'train'},
    rows={'train': 1_000_000},
    fields={'text': 'text'},
    label='label',
    choices={'sea': 'at sea', 'land': 'on land'},
    metrics=('accuracy',),
    material='text',
    group_key=('text',),
    templates=(
      Template('{text}\n\nWhere is this?\n{options}'),
      Template('At sea, or not? "{text}"\n{options}'),
      Template('Words from a diary: {text}\nThe writer was\n{options}'),
      Template('Name the surroundings of these words.\n{text}\n\n{options}'),
      Template('Look at this: {text}\nDoes it smell of salt?\n{options}'),
      Template('Sort this under one heading:\n\n{text}\n\n{options}'),
      Template('{text}\nA sailor or a farmer wrote it; they were\n{options}'),
      Template('Someone jotted down {text}. Place it.\n{options}'),
      Template('Text: {text}\nScene:\n{options}'),
      Template('Tell from "{text}" what lies around the speaker.\n{options}'),
    ),
  )
)


def write(data_dir: pathlib.Path, rows: int, seed: int = 0) -> None:
  """Writes training rows, one after the other, never all in memory.

  Args:
    data_dir: TFDS data directory.
    rows: How many.
    seed: Of the texts.
  """
  import tensorflow as tf
  import tensorflow_datasets as tfds

  folder = data_dir / NAME / '1.0.0'
  folder.mkdir(parents=True, exist_ok=True)
  files = [
    range(start, min(start + _ROWS_PER_FILE, rows))
    for start in range(0, rows, _ROWS_PER_FILE)
  ]
  size = 0
  for index, wanted in enumerate(files):
    name = f'{NAME}-train.tfrecord-{index:05d}-of-{len(files):05d}'
    with tf.io.TFRecordWriter(str(folder / name)) as writer:
      for text, label in _texts(wanted, seed):
        example = _example(text, label)
        size += len(example)
        writer.write(example)
  tfds.folder_dataset.write_metadata(
    data_dir=str(folder),
    features=tfds.features.FeaturesDict(
      {
        'text': tfds.features.Text(),
        'label': tfds.features.ClassLabel(names=list(_LABELS)),
      }
    ),
    split_infos=[_split(folder, [len(wanted) for wanted in files], size)],
    description='Short generated texts.',
  )


def _split(folder: pathlib.Path, lengths: Sequence[int], size: int):
  import tensorflow_datasets as tfds

  template = tfds.core.ShardedFileTemplate(
    data_dir=folder,
    dataset_name=NAME,
    split='train',
    filetype_suffix='tfrecord',
  )
  return tfds.core.SplitInfo(
    name='train',
    shard_lengths=list(lengths),
    num_bytes=size,
    filename_template=template,
  )


def _texts(wanted: range, seed: int) -> Iterator[tuple[str, int]]:
  """Yields (text, label) of each row; its number makes the text unlike any."""
  generator = random.Random(f'{seed} {wanted.start}')
  for number in wanted:
    label = number % len(_LABELS)
    count = generator.randint(_FEWEST_WORDS, _MOST_WORDS)
    words = generator.choices(_OTHERS, k=count)
    words[generator.randrange(count)] = generator.choice(_WORDS[_LABELS[label]])
    yield f'{number}: {" ".join(words)}', label


def _example(text: str, label: int) -> bytes:
  """Returns a row as TFDS stores it."""
  import tensorflow as tf

  feature = {
    'text': tf.train.Feature(
      bytes_list=tf.train.BytesList(value=[text.encode()])
    ),
    'label': tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
  }
  features = tf.train.Features(feature=feature)
  return tf.train.Example(features=features).SerializeToString()
