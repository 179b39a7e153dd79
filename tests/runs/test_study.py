"""`flan-jax study`: one small study of the generated dataset."""

import json
import re
import shlex

import pytest

from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.runs.study import SIZES
from flan_jax.runs.training_run import TrainingRun
from flan_jax.testing import tiny_models
from tests.command_line import RULE
from tests.studies.shipped import STUDIES, TINY

_GIN = f'{TINY}TRAIN_STEPS = 2\n'


@pytest.fixture
def study(cli, rule_data, warm_cache):
  """Returns a function that runs the study `tiny` with further flags."""
  (cli.folder / 'experiments').mkdir()
  (cli.folder / 'experiments/tiny.gin').write_text(_GIN)

  def run(*flags, name='tiny'):
    return cli(
      *('study', name, RULE, '--gin.CACHE_DIR=cache'),
      *(f'--gin.DATA_DIR={rule_data}', *flags),
    )

  return run


@pytest.fixture
def done(study):
  """Runs the study without an error and returns what it prints."""

  def run(*flags):
    code, out, error = study(*flags)
    assert code == 0, error[-3000:]
    return out

  return run


@pytest.fixture
def computed(monkeypatch):
  """Lists what is trained and evaluated."""
  found = []
  for kind, name in ((TrainingRun, 'train'), (MixtureEvaluation, 'run')):
    original = getattr(kind, name)

    def call(self, *arguments, _name=name, _original=original, **more):
      found.append(_name)
      return _original(self, *arguments, **more)

    monkeypatch.setattr(kind, name, call)
  return found


def _read(folder, study_dir='studies'):
  return json.loads((folder / study_dir / 'tiny-smoke/study.json').read_text())


@pytest.mark.slow
def test_a_study_computes_each_cell_once(cli, done, computed):
  out = done()
  assert computed == ['run', 'train', 'run']
  assert 'not finished' not in out
  study = _read(cli.folder)
  base, tuned = study['cells']
  assert study['finished'] and base['finished'] and tuned['finished']
  assert tuned['run']['steps'] == 2
  for cell in (base, tuned):
    (part,) = cell['evaluations'][0]['parts']
    assert (part['part'], part['rows']) == ('rule', 4)
  assert base['evaluations'][0]['params'] != tuned['run']['params']
  (line,) = study['panel']['datasets']
  assert line['base'] == base['evaluations'][0]['parts'][0]['mean']
  assert line['tuned'] == tuned['evaluations'][0]['parts'][0]['mean']
  before = (cli.folder / 'studies/tiny-smoke/study.json').read_bytes()
  # What is finished is found, and shown as finished.
  computed.clear()
  again = done()
  assert computed == []
  assert again.split('results:')[1] == out.split('results:')[1]
  assert [line.split()[-1] for line in again.splitlines()[2:4]] == ['yes'] * 2
  assert (cli.folder / 'studies/tiny-smoke/study.json').read_bytes() == before


@pytest.mark.slow
def test_arms_may_have_vocabularies_of_their_own(cli, done, tmp_path):
  # Each needs a cache of its own. That of `tuned` is made first.
  folder = tmp_path / 'tokenizer'
  folder.mkdir()
  tiny_models.write_tokenizer(folder)
  arms = {
    'base': {},
    'tuned': {
      'train': 'rule_train',
      'settings': {'VOCABULARY': str(folder)},
    },
  }
  out = done(f'--gin.study.arms={arms!r}', '--study_dir=vocabularies')
  assert 'not finished' not in out
  base, tuned = _read(cli.folder, 'vocabularies')['cells']
  assert base['finished'] and tuned['finished']


@pytest.mark.slow
def test_other_settings_are_other_cells(cli, done, computed):
  done()
  before = _read(cli.folder)
  computed.clear()
  # The base model has not changed.
  done('--gin.LEARNING_RATE=0.3')
  assert computed == ['train', 'run']
  first, second = (
    study['cells'][1]['run'] for study in (before, _read(cli.folder))
  )
  assert first['folder'] != second['folder']
  assert first['params'] != second['params']
  # Where it is computed, and how often it is saved, does not matter.
  computed.clear()
  done('--gin.CHECKPOINT_PERIOD=1', '--gin.TOKENS_PER_EVAL_BATCH=2048')
  assert computed == []
  assert _read(cli.folder) == before


@pytest.mark.slow
def test_a_study_reads_what_was_computed_elsewhere(cli, done, computed):
  done('--study_dir=there')
  expected = _read(cli.folder, 'there')
  for flags in (
    (),
    # Neither the data nor its cache is here.
    ('--gin.CACHE_DIR=nowhere', '--gin.DATA_DIR=nowhere'),
  ):
    computed.clear()
    done('--study_dir=here', '--from=there', *flags)
    assert computed == []
    assert _read(cli.folder, 'here') == expected
    assert not (cli.folder / 'here/runs').exists()


@pytest.mark.slow
def test_commands_run_one_cell_each_in_any_order(cli, done, computed):
  out = done('--print_commands', '--gin.TRAIN_STEPS=1')
  assert not (cli.folder / 'studies').exists()
  base, tuned = (shlex.split(line) for line in out.splitlines())
  for command, cell in ((base, 'base'), (tuned, 'tuned')):
    assert command[:3] == ['flan-jax', 'study', 'tiny']
    assert f'--cell={cell}/testing/0' in command
  for command, calls in ((tuned, ['train', 'run']), (base, ['run'])):
    computed.clear()
    assert 'without --cell' in cli.check(*command[1:])
    assert computed == calls
  # One cell does not collect.
  assert not (cli.folder / 'studies/tiny-smoke').exists()
  computed.clear()
  done('--gin.TRAIN_STEPS=1')
  assert computed == []
  assert _read(cli.folder)['finished']


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('name', STUDIES)
def test_every_shipped_study_has_a_command_for_each_cell(cli, name, size):
  # Only the format of a chat depends on the user's base model.
  chat = '--gin.CHAT_FORMAT={input}'
  out = cli.check('study', name, f'--size={size}', chat, '--print_commands')
  commands = [shlex.split(line) for line in out.splitlines()]
  cells = [
    flag
    for command in commands
    for flag in command
    if flag.startswith('--cell=')
  ]
  assert len(cells) == len(set(cells)) == len(commands) >= 2
  assert all(f'--size={size}' in command for command in commands)


def test_a_dry_run_prints_the_matrix_and_makes_nothing(cli, done):
  out = done('--dry_run', '--gin.CACHE_DIR=empty')
  lines = out.splitlines()
  assert lines[0].split()[:3] == ['cell', 'trains', 'on']
  cells = {line.split()[0]: line.split() for line in lines[2:4]}
  # Two steps of four rows of 256 tokens; eight rows under three templates.
  assert cells['tuned/testing/0'][1:7] == [
    *('rule_train', '2,000', '2', '2,048', '1', '24'),
  ]
  assert cells['base/testing/0'][1:7] == ['-', '0', '0', '0', '1', '24']
  assert {cells[name][-1] for name in cells} == {'no'}
  assert not (cli.folder / 'studies').exists()
  assert not list((cli.folder / 'empty').glob('**/*'))


def test_hours_are_estimated_for_hardware(done):
  flags = ('--gin.HARDWARE=v4:4x4x4', '--gin.COMPUTE_DTYPE=bfloat16')
  out = done('--dry_run', *flags)
  assert 'hours on v4' in out.splitlines()[-1]
  assert 'hours are not estimated' in done('--dry_run').splitlines()[-1]


@pytest.mark.parametrize(
  'flags, message',
  [
    (['--cell=tuned/testing/1'], "no cell 'tuned/testing/1'; nearest: tuned"),
    (["--gin.study.panel='man'"], "study.panel is 'man'; nearest: main"),
    (['--gin.study.seeds=()'], 'study.seeds is empty'),
    (
      ["--gin.study.evaluations={'a': {'mixture': 'rule_evl'}}"],
      'rule_evl.*rule_eval',
    ),
    (['--from=nowhere'], '--from=nowhere: there is no runs/'),
    (['--template_set=own.json'], 'template sets of its arms in gin'),
    (['--size=large'], 'invalid choice'),
    # A setting that cannot work is found before anything runs.
    (
      ['--gin.TRAIN_STEPS=0'],
      'TRAIN_STEPS is 0: it must be an integer of at least 1',
    ),
    (['--gin.TRIAN_STEPS=3'], 'TRIAN_STEPS.*nearest'),
  ],
)
def test_mistakes_are_one_line(cli, study, flags, message):
  code, _, error = study('--dry_run', *flags)
  assert code == 2
  assert error.count('\n') == 1 and 'Traceback' not in error
  assert re.search(message, error), error
  assert not (cli.folder / 'studies').exists()


def test_an_unknown_study_is_named(study):
  code, _, error = study(name='tinny')
  assert code == 2
  assert "no gin file 'experiments/tinny.gin'" in error
