"""What an evaluation leaves behind, and takes from there the next time."""

import dataclasses
import json

import jax.numpy as jnp
import pytest

from flan_jax.definitions import names, registry
from flan_jax.definitions.held_out import History, TrainedOn
from flan_jax.errors import ConfigError
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.records import existing_name
from tests.evaluation.splits import part, request_split
from tests.evaluation.stub_models import stub_models

registry.load()

_PARAMS = {'embedding': jnp.ones(3)}


def _evaluation():
  rows = [{'correct': [0]}, {'correct': [1]}]
  parts = [part(request_split(rows))]
  config = EvalConfig(max_rows=5)
  about = {'left_out': ['cb']}
  return MixtureEvaluation(
    names.resolve('flan_eval_nli'), parts, stub_models(), config, about=about
  )


def test_results_records_and_tables_are_written(tmp_path, capsys):
  trained = History().then(TrainedOn.of(names.resolve('rte')))
  _evaluation().run(_PARAMS, tmp_path, {'step': 3}, trained)
  folder = tmp_path / 'flan_eval_nli'
  assert {path.name for path in folder.iterdir()} == {
    'answers.jsonl',
    'digests.json',
    'records.jsonl',
    'results.json',
    'table.txt',
  }
  results = json.loads((folder / 'results.json').read_text())
  assert (results['step'], results['max_rows']) == (3, 5)
  assert next(iter(results)) == 'not_held_out'
  breach = {'trained': 'rte', 'reason': 'is evaluated'}
  assert results['not_held_out'] == [breach]
  assert results['trained_on'] == 'rte'
  table = (folder / 'table.txt').read_text()
  # The title is directly above its table.
  head = 'not held out: rte\n\nflan_eval_nli, in percent:\npart '
  assert table.startswith(head)
  summary = {'mean': 50, 'interval': None, 'parts': 1}
  assert results['summary'] == {'accuracy': summary}
  assert results['parts'][0]['accuracies']['acc_with_end'] == 50
  assert 'left out because not prepared: cb' in table
  assert f'\n{head}' in capsys.readouterr().out


def test_shared_exemplars_do_not_replace_the_results_of_others(tmp_path):
  parts = [dataclasses.replace(p, shots=5) for p in _evaluation().parts]
  for kind in ('per_row', 'shared'):
    about = {'fewshot_exemplars': kind}
    few_shot = dataclasses.replace(_evaluation(), parts=parts, about=about)
    few_shot.run(_PARAMS, tmp_path, {}, History())
    # Without exemplars, the setting says nothing.
    zero_shot = dataclasses.replace(_evaluation(), about=about)
    zero_shot.run(_PARAMS, tmp_path / kind, {}, History())
    assert (tmp_path / kind / 'flan_eval_nli').exists()
  for name, kind in (
    ('flan_eval_nli', 'per_row'),
    ('flan_eval_nli.shared', 'shared'),
  ):
    results = json.loads((tmp_path / name / 'results.json').read_text())
    assert results['fewshot_exemplars'] == kind
  # A study, whose evaluations have folders of their own, finds either.
  (tmp_path / 'cell/b.shared').mkdir(parents=True)
  assert existing_name(tmp_path / 'cell', 'a') == 'a'
  assert existing_name(tmp_path / 'cell', 'b') == 'b.shared'


def test_the_same_parameters_are_not_asked_again(tmp_path, capsys):
  first = _evaluation().run(_PARAMS, tmp_path, {}, History())
  again = _evaluation()
  assert again.run(_PARAMS, tmp_path, {}, History()).records == first.records
  assert again.models.scorer.asked == 0
  # Two rows, and their options without a prompt.
  assert 'reusing 3 answers' in capsys.readouterr().out
  other = _evaluation()
  other.run({'embedding': jnp.zeros(3)}, tmp_path, {}, History())
  assert other.models.scorer.asked == 3


def test_a_comparison_is_printed_and_written(tmp_path, capsys):
  evaluation = _evaluation()
  before = evaluation.run(_PARAMS, tmp_path, {}, History())
  evaluation.print_comparison(before, before, tmp_path)
  assert 'too few rows' in capsys.readouterr().out
  written = (tmp_path / 'flan_eval_nli/comparison.json').read_text()
  assert json.loads(written)['datasets'][0]['difference'] == 0


def test_contaminated_rows_are_checked_at_once():
  contaminated = Contaminated('seen.json', {'rte': frozenset({'x'})})
  with pytest.raises(ConfigError, match='rte has no test row'):
    dataclasses.replace(_evaluation(), contaminated=contaminated)
