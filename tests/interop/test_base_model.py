"""A base model in an installed package is imported when it is first used."""

import json

import pytest

from flan_jax.errors import ConfigError
from flan_jax.interop import base_model
from flan_jax.runtime import child


def test_other_places_are_left_alone(tmp_path):
  assert base_model.locate(None, tmp_path) is None
  assert base_model.locate('mini', tmp_path) == 'mini'
  assert base_model.locate('/some/folder', tmp_path) == '/some/folder'
  assert not list(tmp_path.iterdir())


def test_a_missing_package_is_named_with_the_mend(tmp_path):
  with pytest.raises(ConfigError, match=r'pip install no-such-model'):
    base_model.locate('package:no_such_model', tmp_path)


def test_a_package_is_imported_once_and_whole(tmp_path, monkeypatch):
  calls = []

  def fake(command, arguments):
    assert command == 'import'
    source, out = (argument.partition('=')[2] for argument in arguments)
    calls.append(source)
    folder = tmp_path / 'imported' / out.rpartition('/')[2]
    assert not folder.exists()
    folder.mkdir(parents=True)
    if len(calls) == 1:
      (folder / 'params').write_text('half')
      return False
    (folder / 'model.gin').write_text('')
    return True

  monkeypatch.setattr(child, 'succeeds', fake)
  with pytest.raises(ConfigError, match='package:pytest could not be imported'):
    base_model.locate('package:pytest', tmp_path)
  # What the killed import left is removed, and the import done again.
  folder = base_model.locate('package:pytest', tmp_path)
  assert base_model.locate('package:pytest', tmp_path) == folder
  assert calls == ['pytest', 'pytest']
  assert folder.startswith(str(tmp_path / 'imported/pytest-'))


@pytest.mark.usefixtures('warm_cache')
def test_what_training_starts_from_is_compared_with_its_end(cli, rule_data):
  from tests.command_line import LENGTHS, RULE, TRAIN

  out = cli.check(
    'train',
    *TRAIN,
    RULE,
    LENGTHS,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    '--gin.EVAL_MIXTURE=rule_eval',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.CACHE_DIR=cache',
    '--gin.MODEL_DIR=model',
    '--gin.TRAIN_STEPS=2',
    '--gin.EVAL_PERIOD=0',
    '--gin.MAX_EVAL_ROWS=8',
    '--gin.EVAL_BASE=True',
  )
  assert 'before and after training' in out
  folder = cli.folder / 'model'
  (comparison,) = json.loads(
    (folder / 'eval/rule_eval/comparison.json').read_text()
  )
  for name, key in (('eval_base', 'before'), ('eval', 'after')):
    results = json.loads((folder / name / 'rule_eval/results.json').read_text())
    assert results['parts'][0]['mean'] == comparison[key]
  assert (
    json.loads((folder / 'eval_base/rule_eval/results.json').read_text())[
      'step'
    ]
    == 0
  )
