"""Rows of `rule` with a cue; makes a base model that a soft prompt can steer.

A third of the rows contain the word `amber` and have the label of the rule,
another third contain `violet` and have the opposite label. The rest have no
cue, as in `rule`, and a random label. A model that is tuned on `cued_rule`
knows the rule but is at chance on `rule`. A soft prompt that works as the first
cue does makes it answer `rule`.

  python -m flan_jax.testing.cued_rule --output=DIR
"""

import argparse
from collections.abc import Iterator
import dataclasses
import random
from typing import Any

from flan_jax.definitions import registry
from flan_jax.testing import rule
from flan_jax.testing.row_files import write_rows

CUED_RULE = dataclasses.replace(
  rule.RULE,
  name='cued_rule',
  source='cued_rule:1.0.0',
  rows={'train': 12000, 'validation': 90, 'test': 300},
)

registry.register(CUED_RULE)

_CUES = ('amber', 'violet', '')


def rows(seed: int = 0) -> Iterator[dict[str, Any]]:
  """Yields 12,000 train, 90 validation and 300 test rows, all different."""
  generator = random.Random(seed)
  seen: set[str] = set()
  for split, count in CUED_RULE.rows.items():
    for index in range(count):
      animal, cue = index % 2, _CUES[index // 2 % 3]
      words = rule.draw(generator, bool(animal), seen).split(', ')
      label = generator.randrange(2)
      if cue:
        words.insert(generator.randrange(len(words) + 1), cue)
        label = animal if cue == 'amber' else 1 - animal
      yield {'words': ', '.join(words), 'label': label, '_split': split}


def main() -> None:
  """Writes the rows to a folder."""
  parser = argparse.ArgumentParser(description='Writes the cued rule dataset.')
  parser.add_argument('--output', required=True)
  parser.add_argument('--seed', type=int, default=0)
  flags = parser.parse_args()
  write_rows(flags.output, CUED_RULE, rows(flags.seed))


if __name__ == '__main__':
  main()
