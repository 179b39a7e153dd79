"""Prompts of equations and of texts to repair."""

import itertools

from flan_jax.tasks import misc
import pytest

from flan_jax.testing.declarations import assert_dataset

# Dataset, raw row, template, prompt, target.
_CASES = [
  (
    'math_dataset',
    {'question': 'Solve -3*x + 6 = 0 for x.', 'answer': '2'},
    2,
    'Equation: -3*x + 6 = 0\nUnknown: x\nSolution:',
    '2',
  ),
  (
    'math_dataset',
    {'question': 'Solve 28 = -4*b for b.', 'answer': '-7'},
    0,
    'What is the value of b if 28 = -4*b?',
    '-7',
  ),
  (
    'fix_punct',
    {'en': 'Yes, Ms. Lund, we are open.', 'da': 'Ja, fru Lund, vi har åbent.'},
    1,
    'Without punctuation: Yes Ms Lund we are open\nWith punctuation:',
    'Yes, Ms. Lund, we are open.',
  ),
  (
    'fix_punct',
    {'en': "It's “free” (really)!", 'da': 'Det er ”gratis” (virkelig)!'},
    0,
    'Put the missing punctuation back into this text.\n\nIts free really',
    "It's “free” (really)!",
  ),
  (
    'true_case',
    {'en': 'Élise lives in Århus.', 'da': 'Élise bor i Århus.'},
    1,
    'lower case: élise lives in århus.\nproper case:',
    'Élise lives in Århus.',
  ),
  (
    'true_case',
    {'en': 'The EU', 'da': 'EU'},
    9,
    'Write this without any capitals: The EU',
    'the eu',
  ),
  (
    'word_segment',
    {'en': 'Don\'t  run, "Ole"!', 'da': 'Løb ikke, ”Ole”!'},
    1,
    'Run together: Don\'trun,"Ole"!\nSeparated:',
    'Don\'t run, "Ole"!',
  ),
  (
    'word_segment',
    {'en': 'two words', 'da': 'to ord'},
    9,
    'Close every gap in these words, as for a web address: two words',
    'twowords',
  ),
]


@pytest.mark.parametrize('name, row, template, prompt, target', _CASES)
def test_row(name, row, template, prompt, target):
  assert_dataset(name, row, template, prompt, target)


@pytest.mark.parametrize(
  'text, stripped',
  [
    # Letters outside ASCII are not punctuation.
    ('Rødovre, Fámjin: naïve', 'Rødovre Fámjin naïve'),
    # Marks that cannot be guessed stay.
    ('At -18 or 3.5, at 10:30.', 'At -18 or 3.5 at 10:30'),
    ('In 1.2.3, 5% & more', 'In 1.2.3 5% & more'),
    ('24, 31 – or well-known', '24 31 or wellknown'),
  ],
)
def test_punctuation_is_stripped(text, stripped):
  field = misc.FIX_PUNCT.fields['text']
  assert field({'en': text}).numpy().decode() == stripped


def test_texts_without_punctuation_are_dropped():
  keep = misc.FIX_PUNCT.keep
  assert keep({'en': 'Opening hours.'})
  assert not keep({'en': 'Opening  hours '})
  assert not keep({'en': '...'})


def test_training_slices_of_one_source_are_disjoint():
  ranges = []
  for dataset in (
    misc.TRUE_CASE,
    misc.FIX_PUNCT,
    misc.WORD_SEGMENT,
  ):
    for split in ('train', 'validation'):
      start, stop = dataset.splits[split][len('train[') : -1].split(':')
      assert int(stop) - int(start) == dataset.rows[split]
      ranges.append((int(start), int(stop)))
  for (_, stop), (start, _) in itertools.pairwise(ranges):
    assert stop == start
