"""Rows are rendered under each template that a name selects."""

import pytest

from flan_jax.definitions import registry
from flan_jax.inspection import rows
from tests.inspection.rte_rows import import_rte

registry.load()


@pytest.fixture(scope='module')
def rte(tmp_path_factory) -> str:
  """A TFDS directory with a few rows of RTE, some of which are too long."""
  return import_rte(tmp_path_factory.mktemp('rte'))


@pytest.fixture
def describe(rte):
  def describe(name, count=1, split=None):
    return rows.describe(name, rte, count, split)

  return describe


def test_rows_under_each_template(describe):
  (part,) = describe('rte', 2)['parts']
  templates = registry.find_part('rte')[1].templates
  assert [t['task'] for t in part['templates']] == [
    f'rte.t{k}' for k in range(len(templates))
  ]
  for shown, template in zip(part['templates'], templates, strict=True):
    assert len(shown['examples']) == 2
    assert shown['inverted'] == template.inverted
    assert ('never evaluated' in shown['remark']) == template.inverted
    for example in shown['examples']:
      assert 'is on the list.' in example['inputs']
      assert example['targets'] in ('yes', 'no') or template.inverted
      assert not example['exemplars'] and not example['options']


@pytest.mark.slow
def test_the_name_selects_templates_exemplars_and_format(describe):
  def shown(name):
    (part,) = describe(name)['parts']
    return {t['task']: t['examples'] for t in part['templates']}

  assert list(shown('rte.t3')) == ['rte.t3']
  (example,) = shown('rte.t2.3shot')['rte.t2.3shot']
  assert len(example['exemplars']) == 3
  assert example['remarks'] == ['3 exemplars']
  (example,) = shown('rte.named')['rte.t0.named']
  assert example['inputs'].startswith('[')


def test_prompts_and_exemplars_are_shown_as_they_fit(describe):
  (part,) = describe('rte.t0.fitshot', 9)['parts']
  examples = part['templates'][0]['examples']
  counts = {True: set(), False: set()}
  for example in examples:
    shortened = 'input shortened' in example['remarks']
    assert shortened == (example['inputs'].count('on the list.') > 1)
    assert example['inputs'].endswith(('- yes\n- no', '- no\n- yes'))
    assert len(example['inputs']) < 400 * 20
    counts[shortened].add(len(example['exemplars']))
  # A long row leaves no room for exemplars.
  assert counts[True] == {0}
  assert 1 < max(counts[False]) < len(examples) - 1


def test_inverted_templates_have_no_test_rows(describe):
  found = describe('rte', split='test')
  (part,) = found['parts']
  for shown in part['templates']:
    assert bool(shown['examples']) != shown['inverted']
  out = '\n'.join(rows.lines(found))
  assert 'inverted: trained on, never evaluated; only for entailment' in out


def test_ranked_tasks_show_every_option(describe):
  found = describe('rte.rank', split='validation')
  (part,) = found['parts']
  ranked = {t['task']: t['examples'] for t in part['templates']}
  assert len(ranked) == 9  # Inverted templates are not ranked.
  (example,) = ranked['rte.t0.rank']
  options = {o['words']: o['correct'] for o in example['options']}
  assert sorted(options) == ['no', 'yes'] and sum(options.values()) == 1
  assert options[example['targets']]
  lines = list(rows.lines(found))
  assert 'rte.t0.rank' in lines
  assert '  | Options:' in lines
  assert sum(line in ('  > yes', '  > no') for line in lines) == 9
  assert sum(line in ('  x yes', '  x no') for line in lines) == 9
