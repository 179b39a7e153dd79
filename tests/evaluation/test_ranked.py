"""Options are ranked by every rule; shared options are scored once alone."""

import pytest

from flan_jax.cache.framing import Framing
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.ranked import rank_options
from flan_jax.evaluation.requests import requests
from flan_jax.evaluation.validation import ValidationEvaluation
from flan_jax.terminal.bar import Bar
from tests.evaluation.splits import request_split
from tests.evaluation.stub_models import stub_models

_FRAMING = Framing((), (1,), (1,), ())


def _queue():
  rows = [{'correct': [0]}, {'correct': [1]}, {'correct': [0]}]
  return requests(request_split(rows), _FRAMING)


def test_records_hold_the_choice_of_every_rule():
  models, bar = stub_models(), Bar(enabled=False)
  records = rank_options(_queue(), Session(models, None, bar=bar))
  # Three prompts, and the two shared options once without a prompt.
  assert models.scorer.asked == 4
  assert bar.done == 3
  assert [record['correct'] for record in records] == [True, False, True]
  record = records[0]
  assert (record['text'], record['predicted']) == ('yes', 0)
  assert record['predicted_by']['acc'] == 0
  # -1 + .1 against -2 + 2.
  assert record['predicted_by']['acc_mutual_info'] == 1
  assert [o['total'] for o in record['options']] == [-1.5, -2.5]


def test_a_journal_is_not_asked_again():
  models, journal = stub_models(), Journal()
  first = rank_options(_queue(), Session(models, None, journal))
  asked = models.scorer.asked
  assert rank_options(_queue(), Session(models, None, journal)) == first
  assert models.scorer.asked == asked


def test_validation_has_loss_of_all_and_accuracy_over_parts():
  queue = _queue()
  other = request_split([{'correct': [1]}])
  other.name = 'cb'
  validation = ValidationEvaluation(
    [*queue, *requests(other, _FRAMING)], stub_models()
  )
  assert validation.names == (
    *('accuracy', 'accuracy/rte', 'accuracy/cb'),
    *('loss', 'loss/rte', 'loss/cb'),
  )
  found = validation(None)
  assert found['accuracy/rte'] == pytest.approx(200 / 3)
  assert found['accuracy/cb'] == 0
  assert found['accuracy'] == pytest.approx(100 / 3)
  # The right options have -1.5 or -2.5 nats for two tokens.
  assert found['loss/rte'] == pytest.approx(5.5 / 6)
  assert found['loss/cb'] == pytest.approx(2.5 / 2)
  assert found['loss'] == pytest.approx(8 / 8)


def test_free_text_has_a_validation_loss_alone():
  split = request_split([{}, {}])
  validation = ValidationEvaluation(requests(split, _FRAMING), stub_models())
  assert validation(None) == {'loss': 0.75, 'loss/rte': 0.75}
