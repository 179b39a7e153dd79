"""Real rows with permuted labels; shows that the pipeline is intact.

A model can only memorize these rows. If it ranks all of them correctly after a
reload, training and evaluation saw the same rows. Train and evaluate
`memorize.t0`.

  python -m flan_jax.testing.memorize --input=rte.jsonl --output=DIR
  flan-jax import-data --input=DIR --data_dir=TFDS_DIR
  flan-jax train --task_module=flan_jax.testing.memorize …
"""

import argparse
from collections.abc import Iterator
import json
import pathlib
import random
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.errors import UserError
from flan_jax.testing.row_files import write_rows

MEMORIZE = Dataset(
  name='memorize',
  version='1.0.0',
  cluster='testing',
  source='memorize:1.0.0',
  # The same rows on purpose: evaluation asks for what training showed.
  splits={'train': 'train', 'validation': 'train', 'test': 'train'},
  rows={},
  fields={'text': 'text'},
  label='label',
  choices={'first': 'red', 'second': 'blue'},
  metrics=('accuracy',),
  truncatable='text',
  group_key=('text',),
  templates=(
    Template('{text}\n\nWhich colour does this card have?\n{options}'),
    Template('Which colour belongs to the card below?\n\n{text}\n\n{options}'),
    Template('Card: {text}\nColour:\n{options}'),
    Template('A card says "{text}". Name its colour.\n{options}'),
    Template('Recall the colour of this card.\n{text}\n{options}'),
    Template('{text}\nRed or blue?\n{options}'),
    Template('Here is a card.\n{text}\nIs it red, or is it blue?\n{options}'),
    Template('Choose the colour this text was printed in: {text}\n{options}'),
    Template('Text on the card:\n\n{text}\n\nIts colour was\n{options}'),
    Template('One card reads: {text} What was its colour?\n{options}'),
  ),
)

registry.register(MEMORIZE)


def rows(path: str, count: int = 64, seed: int = 0) -> Iterator[dict[str, Any]]:
  """Yields the first rows of a JSON Lines file with permuted labels.

  Args:
    path: File of rows with text fields and an integer `label`.
    count: Number of rows, all different.
    seed: Seed of the permutation.

  Raises:
    UserError: the file has fewer different rows.
  """
  labels = {}
  for line in pathlib.Path(path).read_text(encoding='utf-8').splitlines():
    row = json.loads(line)
    label = row['label'] % 2
    fields = (row[name] for name in row if name not in ('_split', 'uid'))
    labels.setdefault('\n'.join(f for f in fields if isinstance(f, str)), label)
  if len(labels) < count:
    raise UserError(
      f'{path} has only {len(labels)} different rows: pass '
      f'--rows={len(labels)} or another file'
    )
  shuffled = list(labels.values())[:count]
  random.Random(seed).shuffle(shuffled)
  for text, label in zip(labels, shuffled, strict=False):
    yield {'text': text, 'label': label, '_split': 'train'}


def main() -> None:
  """Writes the rows to a folder."""
  parser = argparse.ArgumentParser(description='Writes the memorize dataset.')
  parser.add_argument('--input', required=True)
  parser.add_argument('--output', required=True)
  parser.add_argument('--rows', type=int, default=64)
  parser.add_argument('--seed', type=int, default=0)
  flags = parser.parse_args()
  made = rows(flags.input, flags.rows, flags.seed)
  write_rows(flags.output, MEMORIZE, made)


if __name__ == '__main__':
  main()
