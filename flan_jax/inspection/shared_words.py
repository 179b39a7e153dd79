"""Evaluated rows that share words in a row with training rows.

This is looser than equality: it finds texts that contain or quote one another,
and also common sources and phrases. It is a figure to look at, not an error.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.overlap.folding import BARRIER, fold_text
from flan_jax.overlap.gram_index import GramIndex

# As for contamination by a corpus, see `docs/contamination.md`. Evaluated rows
# with fewer words are left out: they would be found by chance.
WORDS = 13

_EXAMPLES = 3
_BETWEEN = b' ' + BARRIER + b' '


class SharedWords:
  """Looks for the words of evaluated rows, which memory holds."""

  def __init__(self, evaluated: Sequence[tuple[str, str, str]]):
    """Takes the part, the id and all the text of each evaluated row."""
    self._rows = [row[:2] for row in evaluated]
    self._index = GramIndex.of((text for _, _, text in evaluated), WORDS)
    # Training part -> evaluated rows that need not be found in it.
    self._done: dict[str, np.ndarray] = {}
    self._found: dict[tuple[str, str], dict[str, Any]] = {}

  def search(self, part: str, rows: Sequence[tuple[str, str]]) -> None:
    """Looks into the ids and texts of some rows of a training part."""
    done = self._done.setdefault(part, self._index.counts < WORDS)
    folded = _BETWEEN.join(fold_text(text) for _, text in rows)
    for match in self._index.matches(folded, done):
      evaluated, row = self._rows[match.row]
      found = self._found.setdefault(
        (evaluated, part), {'evaluated_rows': 0, 'examples': []}
      )
      found['evaluated_rows'] += 1
      if len(found['examples']) < _EXAMPLES:
        source, _ = rows[folded.count(BARRIER, 0, match.start)]
        found['examples'].append(
          {
            'words': match.words,
            'evaluated_id': row,
            'trained_id': source,
          }
        )

  @property
  def found(self) -> Mapping[tuple[str, str], dict[str, Any]]:
    """(evaluated part, training part) -> rows and the first examples."""
    return self._found


def lines(pairs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
  """Yields the pairs of parts that `holdout_leakage.compare_rows` returns."""
  yield (
    f'WORDS: {len(pairs) or "no"} pairs of subsets share {WORDS} words in a row'
  )
  for pair in pairs:
    yield (
      f'  {"declared derived" if pair["derived"] else "possible"}: '
      f'{pair["evaluated_rows"]} rows of {pair["evaluated"]} (evaluated) share '
      f'words with {pair["trained"]} (trained)'
    )
    yield from (f'    "{example["words"]}"' for example in pair['examples'])
