"""The shipped studies run to their end; a killed study continues."""

import json
import pathlib
import signal

import pytest

from flan_jax.definitions import names
from tests.command_line import RULE
from tests.studies.shipped import STUDIES, TINY

# Other tests hold every cluster out, and compare arms and seeds.
_FEWER = {
  'clusters': ("study.arms={'0': {}, '7': {'train': 'flan_clusters_7'}}"),
  'controls': 'study.seeds=(0,)',
  'fewshot': "study.holdouts=('coreference',)",
  'instructions': "study.holdouts=('nli',)",
  'main': "study.holdouts=('coreference', 'misc')",
  'prompt_tuning': "study.holdouts=('commonsense',)",
  'templates': (
    "study.arms={'1 dataset, 1 template': "
    "{'train': 'flan_tasks_1_templates_1'}, '4 datasets, 10 templates': "
    "{'train': 'flan_tasks_4_templates_10'}}"
  ),
}


@pytest.fixture(scope='module')
def study_dir(tmp_path_factory) -> pathlib.Path:
  """STUDY_DIR of all studies, which share what they have in common."""
  return tmp_path_factory.mktemp('studies')


def _members(mixture):
  return {m.part.name: m for m in names.resolve(mixture).members}


def _check_run(cell, study_dir):
  """Checks that a cell's run has trained as its settings say."""
  run = cell['run']
  if cell['trained_on'] is None:
    assert run is None
    return
  steps = cell['settings'].get('TRAIN_STEPS', 3)
  assert run['steps'] == steps
  assert run['tokens'] == steps * 4 * 512
  record = json.loads((study_dir / run['folder'] / 'finished.json').read_text())
  assert record['settings']['loop']['train_steps'] == steps
  assert record['settings']['setup']['seed'] == cell['seed']
  assert {m[0] for m in record['settings']['mixture']} == set(
    _members(cell['trained_on'])
  )


def _check_evaluation(evaluation, study_dir):
  """Checks that an evaluation has a row of every member."""
  members = _members(evaluation['mixture'])
  assert {part['part'] for part in evaluation['parts']} == set(members)
  without = set()
  for part in evaluation['parts']:
    member = members[part['part']]
    assert (part['format'], part['shots']) == (member.format, member.shots)
    if member.shots and member.exemplar_part is None:
      # There are no training rows to take exemplars from.
      assert part['null'] and part['mean'] is None
      without.add(part['part'])
      continue
    assert part['rows'] == part['max_rows'] == 1, part['part']
    assert part['mean'] is not None and -100 <= part['mean'] <= 100
    if member.templates is not None:
      assert set(map(int, part['templates'])) <= set(member.templates)
  records = study_dir / evaluation['folder'] / 'records.jsonl'
  tested = [
    record
    for record in map(json.loads, records.read_text().splitlines())
    if record['split'] == 'test'
  ]
  assert {record['part'] for record in tested} == set(members) - without


def _check_prompts(cell, design):
  """Checks that a prompt was tuned and evaluated for every task."""
  wanted = [
    (label, task)
    for label, prompts in design['arms'][cell['arm']].get('prompts', {}).items()
    for task in prompts['tasks'].get(cell['holdout'], ())
  ]
  assert [(p['label'], p['task']) for p in cell['prompts']] == wanted
  for prompt in cell['prompts']:
    (part,) = prompt['parts']
    assert part['part'] == prompt['task'] and part['rows'] == 1
    assert part['mean'] is not None
    assert prompt['params'] == cell['run']['params']
  assert len({p['folder'] for p in cell['prompts']}) == len(wanted)


@pytest.mark.slow
@pytest.mark.parametrize('name', STUDIES)
def test_a_shipped_study_runs_to_its_end(
  cli, name, study_dir, shared_cache, mini_data, compiled
):
  out = cli.check(
    *('study', name, '--size=smoke', f'--study_dir={study_dir}'),
    f'--gin.CACHE_DIR={shared_cache}',
    f'--gin.DATA_DIR={mini_data}',
    f'--gin.COMPILATION_CACHE_DIR={compiled}',
    '--gin.EVAL_EXAMPLES=0',
    *([f'--gin.{_FEWER[name]}'] if name in _FEWER else []),
  )
  assert 'not finished' not in out
  study = json.loads((study_dir / f'{name}-smoke/study.json').read_text())
  assert study['finished'] and study['study'] == name
  assert study['cells']
  for cell in study['cells']:
    assert cell['finished'], cell['name']
    _check_run(cell, study_dir)
    assert cell['evaluations'] or cell['prompts']
    _check_prompts(cell, study['design'])
    for evaluation in cell['evaluations']:
      _check_evaluation(evaluation, study_dir)
      if cell['run']:
        assert evaluation['params'] == cell['run']['params']
  runs = {
    c['run']['folder']: c['run']['params'] for c in study['cells'] if c['run']
  }
  assert len(set(runs.values())) == len(runs)
  assert study['panel']
  for title, lines in study['panel'].items():
    assert lines, title


_TINY = f'{TINY}TRAIN_STEPS = 4\nCHECKPOINT_PERIOD = 1\n'


def _finished(folder):
  """Returns the time of each record of something finished."""
  paths = folder.glob('*/*/finished.json')
  return {path: path.stat().st_mtime_ns for path in paths}


def _kinds(finished):
  return sorted(path.parent.parent.name for path in finished)


@pytest.mark.slow
def test_a_study_that_is_killed_in_each_phase_ends_as_if_it_was_not(
  cli, rule_data
):
  (cli.folder / 'experiments').mkdir()
  (cli.folder / 'experiments/tiny.gin').write_text(_TINY)
  command = [
    *('study', 'tiny', RULE, '--gin.CACHE_DIR=cache'),
    f'--gin.DATA_DIR={rule_data}',
  ]
  folder, finished = cli.folder / 'broken', {}
  for phase, kinds in (
    ('caching', []),
    ('training', ['evaluations']),
    ('evaluating', ['evaluations', 'runs']),
    ('collecting', ['evaluations', 'evaluations', 'runs']),
  ):
    process = cli.start(
      *command, '--study_dir=broken', module=('tests.e2e.killed', phase)
    )
    _, error = process.communicate()
    assert process.returncode == -signal.SIGKILL, error[-3000:]
    before, finished = finished, _finished(folder)
    assert _kinds(finished) == kinds, phase
    # What was finished is not made again.
    assert before.items() <= finished.items()
    assert not list(folder.glob('*/study.json'))
  cli.check_process(*command, '--study_dir=broken')
  assert _finished(folder) == finished
  log = (folder / 'logs/tiny-smoke-tuned-testing-0.txt').read_text()
  assert 'resuming from step' in log and 'reusing 4 answers' in log
  cli.check_process(*command, '--study_dir=whole')
  whole, broken = (
    (cli.folder / name / 'tiny-smoke/study.json').read_bytes()
    for name in ('whole', 'broken')
  )
  assert whole == broken and json.loads(whole)['finished']
