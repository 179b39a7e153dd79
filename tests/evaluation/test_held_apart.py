"""Rows held apart are scored as an evaluation scores test rows."""

import dataclasses

import numpy as np
import pytest

from flan_jax.batches.chosen_rows import divide
from flan_jax.batches.packing import Example
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.evaluation.held_apart import (
  HeldApartEvaluation,
  Question,
  questions_of,
)
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary
from tests.evaluation.stub_models import stub_models

registry.load()

_FRAMING = Framing(start=(-1,), separator=(1,), end=(1,), between=(1,))


class _Scorer:
  """Gives the first option -1 a token, and others -2."""

  def scored(self, params, examples):
    for index, example in reversed(list(enumerate(examples))):
      yield (
        index,
        [
          np.full(len(target), -1.0 - (number > 0), np.float32)
          for number, target in enumerate(example.targets)
        ],
      )


def _values(questions):
  models = dataclasses.replace(stub_models(), scorer=_Scorer())
  evaluation = HeldApartEvaluation(questions, models)
  values = evaluation(None)
  assert tuple(values) == evaluation.names
  return values


def test_log_likelihood_is_a_mean_over_gold_tokens():
  options = Example([5], ([7, 1], [8, 1]))
  questions = [
    Question(options, (0,)),
    Question(options, (1,)),
    Question(Example([5], ([7, 8, 9, 1],))),
  ]
  values = _values(questions)
  assert values['log_likelihood'] == pytest.approx((-2 - 4 - 4) / 8)
  assert values['accuracy'] == 50


def test_free_text_has_no_accuracy():
  values = _values([Question(Example([5], ([7, 1],)))])
  assert values == {'log_likelihood': -1}


@pytest.mark.parametrize('part', ['rte', 'copa', 'natural_questions'])
def test_questions_have_the_options_and_the_trained_target(
  part, mini_data, shared_cache
):
  config = CacheConfig(
    str(shared_cache), mini_data, {'inputs': 640, 'targets': 64}
  )
  vocabulary = load_vocabulary('mini')
  (split,) = make_cached_splits(
    [named_split(part, 'train')], config, vocabulary, log=lambda line: None
  )
  view = divide(split, None, 4, seed=0).held_apart
  questions = list(questions_of(view, _FRAMING, vocabulary))
  assert len(questions) == len(view.renderings) > 4
  for index, question in enumerate(questions):
    trained = np.concatenate(view.example_parts(index, _FRAMING)).tolist()
    gold = question.example.targets[question.gold]
    assert [*question.example.prompt, *gold] == trained
    assert question.example.prompt[0] == -1
    ranked = part != 'natural_questions'
    assert (question.right is not None) == ranked
    assert len(question.example.targets) == (2 if ranked else 1)
