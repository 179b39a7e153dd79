import json
import shutil

import pytest

from flan_jax.report import run_facts
from flan_jax.report.sources import read_sources
from tests.report import results_files as files


@pytest.fixture
def run(tmp_path):
  rte = files.part('rte', [60.0], adapted={'test': 'a smaller copy'})
  return files.write_run(tmp_path / 'model', [rte], [rte])


def _lines(found):
  return dict(found.lines)


def test_long_values_of_macros_are_joined():
  text = "SEED = 1\nLENGTHS = \\\n    {'inputs': 64}\ntrain.x = %SEED\n"
  assert run_facts.macros(text) == {'SEED': '1', 'LENGTHS': "{'inputs': 64}"}


def test_a_run_says_what_was_held_out(run):
  metrics = [dict(line, tokens=100.0) for line in files.metrics(3)]
  files.write_lines(run / 'metrics.jsonl', metrics)
  (found,) = run_facts.facts(read_sources([run]))
  lines = _lines(found)
  assert lines['tuned on'].startswith('flan_holdout_nli: ')
  assert 'clusters' in lines['tuned on']
  assert lines['held out'] == 'nli'
  assert (lines['steps'], lines['tokens']) == ('3', '300')
  assert lines['adapted splits'].startswith('1 dataset,')
  assert 'not held out' not in lines


def test_a_run_with_only_its_base_says_what_it_does_not_hold_out(run):
  shutil.rmtree(run / 'eval')
  path = run / 'eval_base/flan_eval_nli/results.json'
  results = json.loads(path.read_text())
  breach = {'trained': 'rte', 'reason': 'is evaluated'}
  about = {'not_held_out': [], 'run_not_held_out': [breach]}
  path.write_text(json.dumps(results | about))
  (found,) = run_facts.facts(read_sources([run]))
  assert found.lines[0] == ('not held out', 'rte')


def test_what_was_trained_on_is_not_called_held_out(run):
  text = "MIXTURE_OR_TASK_NAME = 'rte'\nINITIAL_CHECKPOINT_PATH = 'base/'\n"
  (run / 'config.gin').write_text(text)
  path = run / 'eval/flan_eval_nli/results.json'
  results = json.loads(path.read_text())
  breach = {'trained': 'rte', 'reason': 'is evaluated'}
  path.write_text(json.dumps(results | {'not_held_out': [breach]}))
  (found,) = run_facts.facts(read_sources([run]))
  assert found.lines[0] == ('not held out', 'rte')
  lines = _lines(found)
  assert 'held out' not in lines and lines['evaluated'] == 'nli'
  assert lines['base model'] == 'base/'
  path.write_text(json.dumps(results | {'not_held_out': None}))
  lines = _lines(run_facts.facts(read_sources([run]))[0])
  assert lines['evaluated; held out or not is not recorded'] == 'nli'


def test_an_unknown_mixture_is_named_only(run):
  (run / 'config.gin').write_text("MIXTURE_OR_TASK_NAME = 'mine'\n")
  lines = _lines(run_facts.facts(read_sources([run]))[0])
  assert lines['tuned on'] == 'mine'


def test_digests_and_versions_are_listed_once(run):
  sources = read_sources([run])
  (row,) = run_facts.digest_table(sources).rows
  assert row['test'] == 'a' * 16 and row['dataset'] == 'rte'
  versions = {
    r['package']: r['version'] for r in run_facts.version_table(sources).rows
  }
  assert versions['flan_jax'] == '0.0.0' and versions['jax'] == '0.10.0'
