"""Everyday flags: what they stand for, and what contradicts them."""

import pytest

from flan_jax.errors import UserError
from flan_jax.flags import command_parser, parse_gin


def _parsed(command, *words):
  arguments, _ = parse_gin(command_parser(command, ''), words)
  return list(arguments.gin_files), set(arguments.bindings)


def test_flags_set_macros_over_the_run_file():
  words = ('--model=tiny', '--mixture=rte', '--steps=3', '--limit=5')
  files, bindings = _parsed(
    'train', *words, '--out=runs/a', '--gin_file=mine.gin', '--gin.SEED=1'
  )
  # The files of the user override the model.
  assert files == ['runs/train.gin', 'models/tiny.gin', 'mine.gin']
  assert bindings == {
    "MIXTURE_OR_TASK_NAME = 'rte'",
    'TRAIN_STEPS = 3',
    'MAX_EVAL_ROWS = 5',
    "MODEL_DIR = 'runs/a'",
    'SEED = 1',
  }
  _, bindings = _parsed('infer', '--out=answers.jsonl')
  assert bindings == {"OUTPUT = 'answers.jsonl'"}
  assert _parsed('cache', '--mixture=rte')[0] == ['runs/cache.gin']


def test_without_them_no_file_is_read():
  assert _parsed('train', '--gin.SEED=1') == ([], {'SEED = 1'})


@pytest.mark.parametrize(
  'name, shots, wanted',
  [
    ('flan_eval_nli', 5, 'flan_eval_nli.5shot'),
    ('rte.t3.plain', 2, 'rte.t3.2shot.plain'),
    ('rte.2shot.rank', 2, 'rte.2shot.rank'),
    ('rte', 0, 'rte'),
  ],
)
@pytest.mark.parametrize('flag', ['mixture', 'gin.MIXTURE_OR_TASK_NAME'])
def test_exemplars_are_a_suffix_of_the_name(flag, name, shots, wanted):
  words = f'--{flag}={name}', f'--num_fewshot={shots}'
  _, bindings = _parsed('eval', *words)
  assert f'MIXTURE_OR_TASK_NAME = {wanted!r}' in bindings


def test_a_folder_that_import_wrote_is_a_model(tmp_path):
  (tmp_path / 'model.gin').touch()
  file = str(tmp_path / 'model.gin')
  files, bindings = _parsed('train', f'--model={tmp_path}')
  assert files == ['runs/train.gin', file] and not bindings
  _, bindings = _parsed('eval', f'--model={tmp_path}')
  assert bindings == {f'CHECKPOINT_PATH = {str(tmp_path)!r}'}


def test_a_pretrained_model_is_imported_later(tmp_path):
  for model in (str(tmp_path), 'package:pytest', 'some/model.gguf'):
    files, bindings = _parsed('eval', f'--model={model}')
    assert files == ['runs/eval.gin', f'import:{model}'] and not bindings


@pytest.mark.parametrize(
  'command, words, message',
  [
    (
      'train',
      ['--steps=3', '--gin.TRAIN_STEPS=4'],
      '--steps=3 and --gin.TRAIN_STEPS=4 set the same',
    ),
    ('train', ['--steps=3', '--steps=4'], '--steps=3 and --steps=4 set'),
    (
      'eval',
      ['--mixture=rte', '--gin_bindings=MIXTURE_OR_TASK_NAME = "cb"'],
      '--mixture=rte and --gin.MIXTURE_OR_TASK_NAME=cb set the same',
    ),
    (
      'eval',
      ['--mixture=rte.5shot', '--num_fewshot=2'],
      '--num_fewshot=2 and .5shot of rte.5shot set the same',
    ),
    (
      'train',
      ['--model=tiny', '--gin_file=models/small.gin'],
      '--model=tiny and --gin_file=models/small.gin set the same',
    ),
    ('eval', ['--num_fewshot=2'], 'needs one name, in --mixture'),
    ('eval', ['--mixture=rte', '--num_fewshot=x'], 'an integer from 0 to 16'),
    ('eval', ['--model=no/where'], 'there is no such folder'),
    ('eval', ['--steps=3'], "unknown flag '--steps=3'"),
    ('train', ['--num_fewshot=3'], "unknown flag '--num_fewshot=3'"),
  ],
)
def test_contradictions_are_refused(command, words, message):
  with pytest.raises(UserError) as raised:
    _parsed(command, *words)
  assert message in str(raised.value)


def test_the_same_value_twice_is_no_contradiction():
  words = '--steps=3', '--steps=3', '--gin.TRAIN_STEPS=3'
  assert 'TRAIN_STEPS = 3' in _parsed('train', *words)[1]
