"""Metrics equal the reference libraries, on easy and on degenerate input."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from flan_jax.errors import ConfigError
from flan_jax.evaluation.metrics import choice_metrics
from flan_jax.evaluation.metrics.choice_metrics import Predictions

_CLASSES = ('entailment', 'contradiction', 'neutral')


def _predictions(gold, predicted, classes=_CLASSES, score=None) -> Predictions:
  gold, predicted = np.array(gold), np.array(predicted)
  if score is None:
    score = np.full(len(gold), np.nan)
  return Predictions(
    predicted,
    predicted == gold,
    gold,
    classes,
    np.array(score),
    np.arange(len(gold)),
    np.ones(len(gold)),
  )


_PAIRS = st.lists(
  st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40
)


@given(_PAIRS)
def test_class_metrics_equal_scikit_learn(pairs):
  gold, predicted = zip(*pairs, strict=True)
  predictions = _predictions(gold, predicted)
  assert choice_metrics.accuracy(predictions) == pytest.approx(
    100 * reference.accuracy_score(gold, predicted)
  )
  assert choice_metrics.macro_f1(predictions) == pytest.approx(
    100 * reference.f1_score(gold, predicted, average='macro', zero_division=0)
  )
  f1 = choice_metrics.find('f1:contradiction')(predictions)
  assert f1 == pytest.approx(
    100
    * reference.f1_score(
      gold, predicted, labels=[1], average=None, zero_division=0
    )[0]
  )
  assert choice_metrics.matthews(predictions) == pytest.approx(
    100 * reference.matthews_corrcoef(gold, predicted)
  )


def test_an_item_is_right_when_all_its_rows_are():
  predictions = dataclasses.replace(
    _predictions([1, 0, 1, 0, 0], [1, 0, 0, 0, 0]),
    item=np.array(['a', 'a', 'b', 'b', 'c']),
    item_share=np.array([0.5, 0.5, 0.5, 0.5, 1]),
  )
  assert choice_metrics.exact_by_item(predictions) == pytest.approx(200 / 3)
  # A resample that holds item b twice counts it twice.
  rows = np.array([0, 1, 2, 3, 2, 3])
  assert choice_metrics.exact_by_item(predictions.take(rows)) == pytest.approx(
    100 / 3
  )


def test_correlations_equal_scipy():
  classes = tuple('012345')
  generator = np.random.default_rng(0)
  score = generator.uniform(0, 5, 50)
  predicted = np.clip(np.round(score + generator.normal(0, 1, 50)), 0, 5)
  gold = np.floor(score + 0.5).astype(int)
  predictions = _predictions(gold, predicted.astype(int), classes, score)
  assert choice_metrics.pearson(predictions) == pytest.approx(
    100 * stats.pearsonr(predicted, score).statistic
  )
  assert choice_metrics.spearman(predictions) == pytest.approx(
    100 * stats.spearmanr(predicted, score).statistic
  )


def test_constant_predictions_correlate_with_nothing():
  predictions = _predictions([0, 1], [1, 1], ('0', '1'), [0.2, 0.9])
  assert (
    choice_metrics.pearson(predictions)
    == choice_metrics.spearman(predictions)
    == 0
  )


def test_class_f1_goes_by_name_not_by_position():
  predictions = _predictions([0, 0, 1], [0, 1, 1], ('no', 'yes'))
  swapped = _predictions([1, 1, 0], [1, 0, 0], ('yes', 'no'))
  f1 = choice_metrics.find('f1:yes')
  assert f1(predictions) == f1(swapped) == pytest.approx(200 / 3)


def test_unknown_metric_lists_the_known():
  with pytest.raises(ConfigError, match='macro_f1'):
    choice_metrics.find('acuracy')
