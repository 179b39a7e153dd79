"""What training draws, for people to read."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from flan_jax.batches.loader import BatchPlan
from flan_jax.batches.sampler import Draws, Sampler
from flan_jax.vocabulary.base import Vocabulary

# Bins of a histogram, at most.
_BINS = 20
_EXAMPLES = 3
# Stands for a prompt vector, which has no text.
_VECTOR = '[vector]'


def drawn(
  plan: BatchPlan, steps: int, vocabulary: Vocabulary
) -> dict[str, Any]:
  """Returns what steps 1 to `steps` draw, as JSON.

  `docs/running.md` describes the keys. Steps beyond the first window are not
  counted, so that the time does not depend on the length of a run.

  Args:
    plan: Finds the batches.
    steps: Steps of the run.
    vocabulary: Shows tokens as text.
  """
  window, _ = plan.windows.find(0)
  steps = min(steps, window.rows // plan.batch_rows)
  rows = steps * plan.batch_rows
  draws = window.draws.take(slice(0, window.row_start[rows]))
  inputs_cut, targets_cut = _cut(draws, plan.sampler)
  return {
    'steps': steps,
    'clusters': _clusters(draws, plan.sampler),
    'fill': int(draws.length.sum()) / (rows * plan.capacity.tokens),
    # The last token of an example takes no place.
    'input_lengths': _histogram(draws.length + 1 - draws.targets),
    'target_lengths': _histogram(draws.targets),
    'cut': {
      'inputs': int(inputs_cut.sum()),
      'targets': int(targets_cut.sum()),
      'of': len(draws.split),
    },
    'loss_example': _loss_examples(plan, vocabulary),
  }


def _clusters(draws: Draws, sampler: Sampler) -> dict[str, dict[str, Any]]:
  count = len(sampler.splits)
  examples = np.bincount(draws.split, minlength=count)
  tokens = np.bincount(draws.split, draws.length, count)
  total = sum(sampler.rates)
  found: dict[str, dict[str, Any]] = {}
  for number, split in enumerate(sampler.splits):
    cluster = found.setdefault(
      split.part.cluster,
      {'planned_rate': 0.0, 'drawn_examples': 0, 'drawn_tokens': 0},
    )
    cluster['planned_rate'] += sampler.rates[number] / total
    cluster['drawn_examples'] += int(examples[number])
    cluster['drawn_tokens'] += int(tokens[number])
  return dict(sorted(found.items()))


def _histogram(lengths: np.ndarray) -> dict[str, list[int]]:
  """Returns bins of whole numbers of tokens; the last one has both edges."""
  width = max(1, -(-int(lengths.max()) // _BINS))
  edges = np.arange(0, int(lengths.max()) + width, width)
  counts, _ = np.histogram(lengths, edges)
  return {'edges': edges.tolist(), 'counts': counts.tolist()}


def _cut(draws: Draws, sampler: Sampler) -> tuple[np.ndarray, np.ndarray]:
  """Returns whether each draw's (input, target) was shortened, bool [draws]."""
  found = np.zeros((2, len(draws.split)), bool)
  for number, split in enumerate(sampler.splits):
    own = draws.split == number
    rendering = draws.rendering[own]
    found[0, own] = split.inputs_cut[rendering]
    found[1, own] = split.targets_cut[rendering]
  return found[0], found[1]


def _loss_examples(
  plan: BatchPlan, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
  """Describes the shortest examples of the first batch, of different parts."""
  window, _ = plan.windows.find(0)
  draws, counts = window.read(np.arange(plan.batch_rows))
  batch = plan.batch(0)
  row = np.repeat(np.arange(len(counts)), counts)
  first = np.cumsum(counts) - counts
  chosen: dict[int, int] = {}  # Split -> its shortest example.
  for example in np.argsort(draws.length, kind='stable').tolist():
    chosen.setdefault(draws.split.item(example), example)
  found = []
  for split, example in [*chosen.items()][:_EXAMPLES]:
    # The targets of a row's examples follow each other.
    before = draws.targets[first[row[example]] : example].sum()
    slots = slice(before, before + draws.targets[example])
    one = {name: array[row[example]] for name, array in batch.items()}
    segment = example - first[row[example]] + 1
    pieces = _pieces(one, segment, slots, vocabulary)
    found.append({'part': plan.sampler.splits[split].name, 'pieces': pieces})
  return found


def _pieces(
  row: dict[str, np.ndarray], segment: int, slots: slice, vocabulary: Vocabulary
) -> list[dict[str, Any]]:
  """Returns the text of every token of an example, and its weight in the loss.

  Args:
    row: A row of a batch.
    segment: Number of the example in the row, from 1.
    slots: Its part of the target axis.
    vocabulary: Shows tokens as text.
  """
  places = np.flatnonzero(row['segments'] == segment)
  # The last token is only predicted.
  ids = [*row['tokens'][places].tolist(), row['target_labels'][slots].item(-1)]
  weights = np.zeros(len(ids))
  # A token is predicted at the place before it.
  predicted = row['target_positions'][slots] - places[0] + 1
  weights[predicted] = row['target_weights'][slots]
  texts = _texts(ids, vocabulary)
  return [
    {'text': text, 'weight': weight}
    for text, weight in zip(texts, weights.tolist(), strict=True)
  ]


def _texts(ids: Sequence[int], vocabulary: Vocabulary) -> list[str]:
  vectors = sum(number < 0 for number in ids)
  return [_VECTOR] * vectors + vocabulary.pieces(ids[vectors:])
