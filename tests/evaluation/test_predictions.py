"""Scores of answers that can be computed by hand."""

import pytest

from flan_jax.evaluation.predictions import Answer
from tests.evaluation.splits import part, result, split, texts


def _scores(test, answers) -> dict[str, float]:
  found = result(test, answers)
  return {name: found.templates[0][name] for name in test.test.part.metrics}


_CLASSES = {'e': 'yes', 'n': 'unsure', 'c': 'no'}
# Three entailments, two neutral, one contradiction.
_LABELS = (0, 0, 0, 1, 1, 2)


def _classification():
  rows = [{'correct': [label], 'answers': ['x']} for label in _LABELS]
  metrics = ['accuracy', 'macro_f1', 'f1:c', 'matthews']
  return part(split(rows, choices=_CLASSES), metrics=metrics)


def _options(options):
  words = list(_CLASSES.values())
  return [Answer(i, 0, k, words[k]) for i, k in enumerate(options)]


def test_gold_classes():
  scores = _scores(_classification(), _options(_LABELS))
  assert set(scores.values()) == {100}


def test_classes_swapped_by_name():
  # Neutral and contradiction swapped: only the three entailments are right.
  swapped = [{0: 0, 1: 2, 2: 1}[label] for label in _LABELS]
  scores = _scores(_classification(), _options(swapped))
  assert scores['accuracy'] == 50
  # One of three classes has F1 1.
  assert scores['macro_f1'] == pytest.approx(100 / 3)
  assert scores['f1:c'] == 0
  # (6 * 3 - (3*3 + 2*1 + 1*2)) / (36 - (9 + 4 + 1)), over classes.
  assert scores['matthews'] == pytest.approx(100 * 5 / 22)


def _questions():
  rows = [
    {'answers': ['in the old town', 'old town']},
    {'answers': ['1945']},
    {'answers': ['Mira Solen']},
    {'answers': ['unanswerable']},
  ]
  return part(split(rows), metrics=['squad_f1', 'squad_em'])


def test_gold_words():
  gold = [row['answers'][-1] for row in _questions().test.rows]
  assert set(_scores(_questions(), texts(gold)).values()) == {100}


def test_another_rows_references():
  gold = [row['answers'][0] for row in _questions().test.rows]
  scores = _scores(_questions(), texts(gold[1:] + gold[:1]))
  assert scores == {'squad_f1': 0, 'squad_em': 0}


def test_half_of_the_words():
  scores = _scores(
    _questions(), texts(['the town', '1945', 'Solen', 'I cannot tell'])
  )
  # 2/3 against "old town", 1, 2/3, 0; one of four is exact.
  assert scores['squad_f1'] == pytest.approx(100 * (2 / 3 + 1 + 2 / 3) / 4)
  assert scores['squad_em'] == 25


def test_empty_strings():
  scores = _scores(_questions(), texts([''] * 4))
  assert scores == {'squad_f1': 0, 'squad_em': 0}


def test_similarity_by_the_nearest_whole_number():
  truth = (0.4, 1.6, 3.0, 4.8)
  rows = [
    {'correct': [k], 'answers': [str(k)], 'score': score}
    for k, score in zip((0, 2, 3, 5), truth, strict=True)
  ]
  choices = {str(k): str(k) for k in range(6)}
  test = part(split(rows, choices=choices), metrics=['pearson', 'spearman'])
  best = [Answer(i, 0, k, str(k)) for i, k in enumerate((0, 2, 3, 5))]
  scores = _scores(test, best)
  # Deviations (-2.5, -.5, .5, 2.5) and (-2.05, -.85, .55, 2.35): the sums of
  # their products 11.7, of their squares 13 and 10.75.
  assert scores['pearson'] == pytest.approx(100 * 11.7 / (13 * 10.75) ** 0.5)
  assert scores['spearman'] == 100
  mirrored = [Answer(i, 0, k, str(k)) for i, k in enumerate((5, 3, 2, 0))]
  assert _scores(test, mirrored)['spearman'] == -100
