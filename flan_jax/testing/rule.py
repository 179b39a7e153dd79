"""A generated dataset with a known rule; shows that tuning generalizes.

A row is six words. The answer is yes if one of them is an animal. `rule_train`
trains on templates 0 to 6. `rule_eval` ranks unseen rows under templates 7 to
9, whose wording training never uses.

  python -m flan_jax.testing.rule --output=DIR [--shuffle_labels]
  flan-jax import-data --input=DIR --data_dir=TFDS_DIR
  flan-jax train --task_module=flan_jax.testing.rule …
"""

import argparse
from collections.abc import Iterator
import random
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.definitions.registry import Member, Mixture
from flan_jax.testing.row_files import write_rows

_ANIMALS = ('horse', 'rabbit', 'spider', 'whale', 'goose')
_OTHERS = tuple(
  'window ladder carpet pencil bottle candle hammer pillow basket mirror '
  'button engine ticket blanket kettle wallet bridge garden harbour village '
  'office market tunnel castle winter thunder shadow copper silver '
  'marble'.split()
)
_WORDS_A_ROW = 6
_TRAINED = tuple(range(7))
_HELD_OUT = (7, 8, 9)

RULE = Dataset(
  name='rule',
  version='1.0.0',
  cluster='testing',
  source='rule:1.0.0',
  splits={'train': 'train', 'validation': 'validation', 'test': 'test'},
  rows={'train': 2000, 'validation': 100, 'test': 500},
  fields={'words': 'words'},
  label='label',
  choices={'without': 'no', 'with': 'yes'},
  metrics=('accuracy',),
  truncatable='words',
  group_key=('words',),
  templates=(
    Template('{words}\n\nIs there an animal in this list?\n{options}'),
    Template('Look for an animal among these words: {words}\n{options}'),
    Template('Does any of these name an animal?\n{words}\n{options}'),
    Template('Words: {words}\nAnimal mentioned:\n{options}'),
    Template('"{words}"\nHas the writer put an animal in there?\n\n{options}'),
    Template('An animal may hide in: {words}\nDoes one?\n{options}'),
    Template('Check this for animals. {words}\n\n{options}'),
    Template('Somebody noted: {words}\nIs one of them an animal?\n{options}'),
    Template('Tell me if an animal occurs here:\n\n{words}\n\n{options}'),
    Template('List: {words}\nWould a zoologist find something?\n{options}'),
  ),
)

registry.register(RULE)
registry.register_mixture(Mixture('rule_train', (Member('rule', _TRAINED),)))
registry.register_mixture(
  Mixture('rule_eval', (Member('rule', _HELD_OUT),), purpose='eval')
)


def rows(
  seed: int = 0, shuffle_labels: bool = False
) -> Iterator[dict[str, Any]]:
  """Yields 2,000 train, 100 validation and 500 test rows, all different.

  Args:
    seed: Seed of the words.
    shuffle_labels: Randomly reassigns the labels within each split, so that
      there is nothing to learn.
  """
  generator = random.Random(seed)
  seen = set()
  for split, count in RULE.rows.items():
    labels = [index % 2 for index in range(count)]
    shown = labels.copy()
    if shuffle_labels:
      generator.shuffle(shown)
    for label, given in zip(labels, shown, strict=True):
      words = draw(generator, bool(label), seen)
      yield {'words': words, 'label': given, '_split': split}


def draw(generator: random.Random, animal: bool, seen: set[str]) -> str:
  """Returns words that are not in `seen`, and adds them to it."""
  while True:
    words = generator.sample(_OTHERS, _WORDS_A_ROW)
    if animal:
      place = generator.randrange(_WORDS_A_ROW)
      words[place] = generator.choice(_ANIMALS)
    text = ', '.join(words)
    if text not in seen:
      seen.add(text)
      return text


def main() -> None:
  """Writes the rows to a folder."""
  parser = argparse.ArgumentParser(description='Writes the rule dataset.')
  parser.add_argument('--output', required=True)
  parser.add_argument('--shuffle_labels', action='store_true')
  parser.add_argument('--seed', type=int, default=0)
  flags = parser.parse_args()
  write_rows(flags.output, RULE, rows(flags.seed, flags.shuffle_labels))


if __name__ == '__main__':
  main()
