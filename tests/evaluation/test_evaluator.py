"""Parts of both kinds are answered in one queue, each in its own way."""

from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.evaluator import evaluate
from flan_jax.evaluation.models import Session
from flan_jax.terminal.bar import Bar
from tests.evaluation.splits import part, request_split
from tests.evaluation.stub_models import stub_models


def _ranked(**more):
  rows = [{'correct': [0]}, {'correct': [1]}]
  return part(request_split(rows), request_split(rows[:1]), **more)


def _free_text():
  test = request_split([{'answers': ['yes']}, {'answers': ['red']}])
  test.name = 'qa'
  return part(test, metrics=['squad_em'])


def _session():
  return Session(stub_models(), None, bar=Bar(enabled=False))


def test_options_are_ranked_and_free_text_is_written():
  session = _session()
  found = evaluate([_ranked(), _free_text()], session)
  ranked, free = found.results
  assert (ranked.mean, ranked.accuracies['acc']) == (50, 50)
  assert ranked.best_validation['validation'] == 100
  assert ranked.written is None
  assert (free.mean, free.rows) == (50, 2)
  assert (session.bar.done, session.bar.total) == (5, 5)
  assert len(found.records) == 5
  assert [len(answers) for _, answers in found.answers] == [2, 2]


def test_records_hold_the_prompts_unless_they_are_not_to():
  found = evaluate([_ranked(), _free_text()], _session())
  shown = [record['prompt'] for record in found.records]
  assert all(shown) and shown[0] == shown[2]  # Both are of row 0.
  config = EvalConfig(record_prompts=False)
  found = evaluate([_ranked(), _free_text()], _session(), config)
  assert not any('prompt' in record for record in found.records)


def test_options_are_also_written_on_request():
  session = _session()
  found = evaluate([_ranked()], session, EvalConfig(write_options=True))
  # "Yes." is the first option, which is right for one of two rows.
  assert found.results[0].written == {'valid_options': 100, 'accuracy': 50}
  assert found.records[0]['generated'] == 'Yes.'
  assert (session.bar.done, session.bar.total) == (6, 6)


def test_contaminated_rows_are_those_of_the_part():
  contaminated = Contaminated('seen.json', {'rte': frozenset({'row1'})})
  parts = [_ranked(), _free_text()]
  found = evaluate(parts, _session(), contaminated=contaminated)
  ranked, free = found.results
  assert (ranked.clean['mean'], ranked.clean['rows']) == (100, 1)
  # A part that the file does not name is clean.
  assert free.clean['contaminated_rows'] == 0


def test_a_part_without_exemplars_asks_nothing():
  session = _session()
  found = evaluate([_ranked(null='no rows', shots=3)], session)
  assert session.models.scorer.asked == 0
  assert found.answers == [] and found.records == []
  assert found.results[0].null == 'no rows'
