"""Examples are the same rows for every model, with a free-text answer."""

import json

import pytest

from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.evaluator import evaluate
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.requests import row_order
from tests.evaluation.splits import part, request_split
from tests.evaluation.stub_models import stub_models


def _ranked(rows=6):
  test = request_split([{'correct': [n % 2]} for n in range(rows)], templates=2)
  return part(test, request_split([{'correct': [0]}] * 3, templates=2))


def _free_text():
  test = request_split([{'answers': ['red', 'blue']}])
  test.name = 'qa'
  return part(test, metrics=['squad_em'])


def _session(journal=None, **more):
  return Session(stub_models(**more), None, journal or Journal())


def test_an_example_has_what_a_person_wants_to_know():
  session = _session()
  found = evaluate([_ranked(), _free_text()], session, EvalConfig(examples=1))
  ranked, free = found.examples
  assert (ranked['part'], ranked['template']) == ('rte', 0)
  # Test rows come first in the queue.
  record = next(r for r in found.records if r['id'] == ranked['row_id'])
  assert ranked['options'] == ['yes', 'no']
  assert ranked['scores'] == [o['total'] for o in record['options']]
  assert ranked['gold'] == ranked['options'][record['gold'][0]]
  assert (ranked['predicted'], ranked['written']) == ('yes', 'Yes.')
  assert free == {
    'part': 'qa',
    'group': None,
    'format': 'instructions',
    'shots': 0,
    'template': 0,
    'row_id': 'row0',
    'prompt': '20',
    'gold': 'red',
    'options': None,
    'scores': None,
    'predicted': 'Yes.',
    'written': 'Yes.',
  }
  assert session.bar.total == len(found.records) + 1


def test_examples_are_the_first_rows_of_any_limit():
  test = _ranked().test
  whole, limited, one = (
    [
      example['row_id']
      for example in evaluate(
        [_ranked()], _session(), EvalConfig(rows, examples=count)
      ).examples
    ]
    for rows, count in ((None, 4), (4, 4), (None, 1))
  )
  assert whole == [f'row{n}' for n in row_order(test)[:4]] == limited
  assert whole[:1] == one
  assert not evaluate([_ranked()], _session(), EvalConfig()).examples


def test_only_what_is_not_known_is_written():
  session = _session()
  evaluate([_ranked()], session, EvalConfig(examples=4))
  assert session.models.generator.asked == 4
  # With WRITE_OPTIONS, every answer is written anyway.
  session = _session()
  config = EvalConfig(examples=4, write_options=True)
  found = evaluate([_ranked()], session, config)
  assert session.models.generator.asked == len(found.records) == 18
  assert {example['written'] for example in found.examples} == {'Yes.'}


def test_answers_come_from_the_journal_when_the_number_of_examples_changes():
  journal = Journal()
  first = evaluate([_ranked()], _session(journal), EvalConfig(examples=2))
  # If it were asked again, it would write "red".
  session = _session(journal, tokens=(8,))
  again = evaluate([_ranked()], session, EvalConfig(examples=3))
  assert session.models.generator.asked == 1
  assert again.examples[:2] == first.examples
  assert again.examples[2]['written'] == 'red'
  assert json.loads(json.dumps(again.examples)) == again.examples


def test_every_group_of_templates_has_examples():
  directions = (('{answer}', 'en_fr'), ('{answer}', 'fr_en'))
  both = _free_text()
  both.test.part.templates = [
    type(both.test.part.templates[0])(target=t, group=g) for t, g in directions
  ]
  both.test.renderings = [{'row': 0, 'template': n} for n in range(2)]
  found = evaluate([both], _session(), EvalConfig(examples=3))
  groups = [(e['group'], e['template']) for e in found.examples]
  assert groups == [('en_fr', 0), ('fr_en', 1)]


@pytest.mark.parametrize('vectors', [0, 2])
def test_prompt_vectors_are_not_text(vectors):
  ids = tuple(range(100, 100 + vectors))
  ranked = part(_ranked().test, soft_prompt=ids)
  ranked.test.prompt = lambda index, framing: [*framing.start, 20 + index]
  (example,) = evaluate([ranked], _session(), EvalConfig(examples=1)).examples
  number = int(example['row_id'].removeprefix('row'))
  assert example['prompt'] == str(20 + 2 * number)
