"""Metrics of resamples equal the metrics of the rows that are drawn."""

import numpy as np
import pytest

from flan_jax.evaluation.metrics import resampled_choices, text_metrics
from flan_jax.evaluation.metrics.bootstrap import Resamples
from flan_jax.evaluation.metrics.choice_metrics import Predictions
from flan_jax.evaluation.metrics.texts import Texts

_GENERATOR = np.random.default_rng(0)
_GROUPS = np.repeat(np.arange(12), 3)
_ROWS = len(_GROUPS)
_WORDS = np.array(['the cat sat', 'a dog ran far', 'cat', 'The end.'])


def _drawn(resamples):
  """Yields the rows of some resamples, with repetitions."""
  for weight in resamples.weights()[:20]:
    yield np.repeat(np.arange(_ROWS), weight)


def _predictions(texts=None):
  gold, said = _GENERATOR.integers(3, size=(2, _ROWS))
  items = np.arange(_ROWS) // 3 * 2 + np.arange(_ROWS) % 3 // 2
  sizes = np.bincount(items)[items]
  return Predictions(
    *(said, said == gold, gold, ('0', '1', '2.5')),
    score=_GENERATOR.normal(size=_ROWS).round(1) + gold,
    item=items,
    item_share=1 / sizes,
    texts=texts,
  )


@pytest.mark.parametrize(
  'name', [*resampled_choices._METRICS, 'f1:1', 'squad_f1']
)
def test_options(name):
  pairs = _WORDS[_GENERATOR.integers(4, size=(2, _ROWS))]
  texts = Texts.of(pairs[0], [[text] for text in pairs[1]], ['squad_f1'])
  predictions, resamples = _predictions(texts), Resamples.of(_GROUPS)
  found = resampled_choices.resampled(predictions, name, resamples)
  for rows, value in zip(_drawn(resamples), found, strict=False):
    assert value == pytest.approx(predictions.take(rows).value(name), abs=1e-9)


@pytest.mark.parametrize('name', text_metrics.METRICS)
def test_texts(name):
  pairs = _WORDS[_GENERATOR.integers(4, size=(2, _ROWS))]
  if name.startswith('coqa'):
    pairs = np.char.add('1. ', pairs)
  texts = Texts.of(pairs[0], [[text] for text in pairs[1]], [name])
  resamples = Resamples.of(_GROUPS)
  found = texts.resampled(name, resamples)
  for rows, value in zip(_drawn(resamples), found, strict=False):
    assert value == pytest.approx(texts.take(rows).value(name), abs=1e-9)


def test_constant_predictions_do_not_correlate():
  predictions = _predictions()
  predictions.predicted[:] = 1
  for name in ('pearson', 'spearman', 'matthews'):
    found = resampled_choices.resampled(
      predictions, name, Resamples.of(_GROUPS)
    )
    assert not found.any()
