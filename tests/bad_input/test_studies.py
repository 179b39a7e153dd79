"""Gin files of studies that cannot be: one line, and nothing is run."""

import pytest

_STUDY = {
  'panel': "'main'",
  'holdouts': "('nli',)",
  'arms': "{'base': {}, 'tuned': {'train': 'flan_holdout_{holdout}'}}",
  'evaluations': "{'zero-shot': {'mixture': 'flan_eval_{holdout}'}}",
}
# Parameter, its value, and what the line says.
_CASES = (
  ('panel', '3', 'study.panel is 3'),
  ('panel', "'nope'", "'nope'; the panels are main, "),
  ('holdouts', "'nli'", 'it must be a list'),
  ('holdouts', '()', 'study.holdouts is empty'),
  ('holdouts', "('nope',)", "unknown task 'flan_eval_nope'"),
  ('holdouts', "('nli', 'nli')", 'lists different values'),
  ('holdouts', "(['nli'],)", 'each item a text'),
  ('holdouts', "('../x',)", 'is not a task name'),
  ('holdouts', "('nli\\n',)", 'is not a task name'),
  ('seeds', '3', 'study.seeds is 3'),
  ('seeds', '()', 'study.seeds is empty'),
  ('seeds', '(-1,)', 'from 0 to 2**32 - 1'),
  ('seeds', '(1, 1)', 'lists different values'),
  ('endpoints', '3', 'study.endpoints is 3'),
  ('hardware', "'v9'", "topology 'v9'"),
  ('arms', '{}', 'study.arms is empty'),
  ('arms', "['base']", 'each value a dictionary'),
  ('arms', "{'base': None}", 'each value a dictionary'),
  ('arms', '{3: {}}', 'study.arms is {3: {}}'),
  ('arms', "{'': {}}", "arm '': a name has no slash, and is a text"),
  ('arms', "{'a\\nb': {}}", "arm 'a\\nb': a name has no slash, and is a text"),
  ('arms', "{'a/b': {}}", "arm 'a/b': a name has no slash"),
  ('arms', "{'a': {'trian': 'rte'}}", "no field 'trian'; nearest: train"),
  ('arms', "{'a': {'train': 3}}", "train of arm 'a' is 3: it must be the name"),
  ('arms', "{'a': {'train': ['rte']}}", "train of arm 'a' is ['rte']"),
  ('arms', "{'a': {'settings': 3}}", "settings of arm 'a' is 3"),
  ('arms', "{'a': {'settings': {3: 3}}}", 'it must be a dictionary'),
  ('arms', "{'a': {'settings': {'NOPE': 3}}}", 'cell a/nli/0: macro NOPE'),
  ('arms', "{'a': {'settings': {'SEED': 'x'}}}", "cell a/nli/0: SEED is 'x'"),
  ('arms', "{'a': {'gin_files': 'x.gin'}}", "gin_files of arm 'a' is 'x.gin'"),
  ('arms', "{'a': {'gin_files': [3]}}", "gin_files of arm 'a' is [3]"),
  ('arms', "{'a': {'gin_files': ['absent.gin']}}", "no gin file 'absent.gin'"),
  ('arms', "{'a': {'template_set': 3}}", "template_set of arm 'a' is 3"),
  ('arms', "{'a': {'template_set': 'absent.json'}}", 'absent.json cannot be'),
  ('arms', "{'a': {'evaluations': 3}}", "evaluations of arm 'a' is 3"),
  ('arms', "{'a': {'evaluations': {}}}", "arm 'a' is asked nothing"),
  ('arms', "{'a': {'evaluations': {'z': 3}}}", "evaluations of arm 'a' is"),
  ('arms', "{'a': {'prompts': 3}}", "prompts of arm 'a' is 3"),
  ('arms', "{'a': {'prompts': {'p': {}}}}", "lacks the field 'tasks'"),
  ('arms', "{'a': {'prompts': {'p': {'tasks': 3}}}}", "tasks of prompts 'p'"),
  (
    'arms',
    "{'a': {'prompts': {'p': {'tasks': {'nli': 'rte'}}}}}",
    "tasks of prompts 'p'",
  ),
  (
    'arms',
    "{'a': {'prompts': {'p': {'tasks': {'nli': [3]}}}}}",
    "tasks of prompts 'p'",
  ),
  ('evaluations', '3', 'study.evaluations is 3'),
  ('evaluations', "{'z': {}}", "evaluation 'z' lacks the field 'mixture'"),
  ('evaluations', "{'z': {'mixture': 3}}", "mixture of evaluation 'z' is 3"),
  ('evaluations', "{'z': {'mixture': 'nope'}}", "unknown task 'nope'"),
  ('evaluations', "{'z': {'mixture': 'rte.t99'}}", 'templates t0 to t9'),
  (
    'evaluations',
    "{'z': {'mixture': 'rte', 'holdouts': 3}}",
    "holdouts of evaluation 'z' is 3",
  ),
  (
    'evaluations',
    "{'z': {'mixture': 'rte', 'settings': 'x'}}",
    "settings of evaluation 'z' is 'x'",
  ),
  (
    'evaluations',
    "{'z': {'mixture': 'rte', 'settings': {'MAX_EVAL_ROWS': -1}}}",
    'MAX_EVAL_ROWS is -1',
  ),
)


@pytest.fixture
def refused(cli):
  """Runs a study that must fail with a message, and write nothing."""
  (cli.folder / 'experiments').mkdir()
  path = cli.folder / 'experiments/mine.gin'

  def run(case, message, **values):
    declared = {**_STUDY, **values}
    path.write_text(''.join(f'study.{n} = {v}\n' for n, v in declared.items()))
    code, out, error = cli('study', 'mine', '--dry_run')
    assert code == 2 and not out, (case, out)
    assert error.startswith('flan-jax study: error: '), (case, error)
    assert error.count('\n') == 1 and message in error, (case, error)
    assert list(cli.folder.rglob('*')) == [path.parent, path], case

  return run


def test_study_files(refused):
  for name, value, message in _CASES:
    refused(f'{name} = {value}', message, **{name: value})
