"""`flan-jax prompt-tune`: mistakes, resuming and evaluation."""

import json
import re

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from flan_jax.model import init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import LENGTHS, RULE, SMALL, SMALL_SHAPE, TUNE


@pytest.fixture
def base(cli):
  """Random base models in the test's folder: `base` and `other`."""
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  for seed, name in enumerate(('base', 'other')):
    params = init_params(SMALL_SHAPE, seed, mesh)
    Checkpointer.save_params(cli.folder / name, params, {})


@pytest.mark.parametrize(
  'flag, message',
  [
    ('INITIAL_CHECKPOINT_PATH=None', 'a prompt needs a base model'),
    ('PROMPT_INIT=words', "PROMPT_INIT is 'words': it must be 'vocabulary'"),
    ('PROMPT_LENGTH=0', 'PROMPT_LENGTH is 0: it must be an integer of at'),
    ('PROMPT_TRAIN_ROWS=0', 'PROMPT_TRAIN_ROWS is 0: it must be an integer'),
    ("FROZEN=['embedding']", 'FROZEN is set, but prompt-tune trains nothing'),
    ('VALIDATION_MIXTURE=rule', 'VALIDATION_MIXTURE is set, but prompt-tune'),
    ('MIXTURE_OR_TASK_NAME=rule.2shot', 'rule.2shot has exemplars'),
    ('INITIAL_CHECKPOINT_PATH=nowhere', 'nowhere'),
  ],
)
@pytest.mark.usefixtures('base')
def test_mistakes_are_found_before_data_is_read(cli, flag, message):
  code, _, error = cli(
    *TUNE, '--gin.MIXTURE_OR_TASK_NAME=rule', f'--gin.{flag}', '--dry_run'
  )
  assert code == 2 and message in error


@pytest.mark.usefixtures('base')
def test_a_dry_run_tells_the_size_of_the_prompt(cli):
  task = '--gin.MIXTURE_OR_TASK_NAME=rule'
  out = cli.check(*TUNE, task, '--dry_run', '--allow_missing')
  assert 'of which trained: 640, a prompt of 10 vectors (2.6 kB)' in out
  assert 'training rows of a subset: all, held apart: 32' in out


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache', 'base')
def test_a_prompt_needs_places_and_words(cli, rule_data):
  data = (f'--gin.DATA_DIR={rule_data}', '--gin.MIXTURE_OR_TASK_NAME=rule.t0')
  code, _, error = cli(*TUNE, *data, '--gin.PROMPT_LENGTH=250')
  assert code == 2 and '250 of the tokens are the prompt' in error
  code, _, error = cli(*TUNE, *data, '--gin.PROMPT_DEV_ROWS=2000')
  assert code == 2 and 'PROMPT_DEV_ROWS' in error
  code, _, error = cli(
    *TUNE, *data, '--gin.PROMPT_LENGTH=1', '--gin.PROMPT_INIT=classes'
  )
  assert code == 2 and '2 classes for 1 vectors' in error


def _leaves(folder, step):
  """Returns all arrays of a checkpoint by name."""
  reader = ocp.PyTreeCheckpointer()
  path = folder / 'checkpoints' / str(step)
  found = [reader.restore(path / item) for item in ('params', 'training')]
  return {
    jax.tree_util.keystr(name): leaf
    for name, leaf in jax.tree_util.tree_leaves_with_path(found)
  }


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache', 'base')
def test_a_run_resumes_with_its_own_base_and_is_evaluated_later(cli, rule_data):
  def tune(name, steps, *flags, devices=1):
    return cli(
      *TUNE,
      f'--gin.DATA_DIR={rule_data}',
      '--gin.MIXTURE_OR_TASK_NAME=rule.t0',
      f'--gin.MODEL_DIR={name}',
      f'--gin.TRAIN_STEPS={steps}',
      '--gin.EVAL_PERIOD=2',
      '--gin.CHECKPOINT_PERIOD=2',
      '--gin.KEEP_CHECKPOINTS=9',
      '--gin.PROMPT_TRAIN_ROWS=32',
      '--gin.MAX_EVAL_ROWS=10',
      '--gin.DROPOUT_RATE=0.1',
      *flags,
      devices=devices,
    )

  assert tune('whole', 6)[0] == 0
  assert tune('broken', 4)[0] == 0
  code, _, error = tune('broken', 6, '--gin.INITIAL_CHECKPOINT_PATH=other')
  assert code == 2 and 'was trained on base' in error
  code, out, _ = tune('broken', 6)
  assert code == 0 and 'resuming from step 4' in out
  whole, broken = (_leaves(cli.folder / n, 6) for n in ('whole', 'broken'))
  assert whole.keys() == broken.keys() and len(whole) > 3
  for name, leaf in whole.items():
    assert np.array_equal(leaf, broken[name]), name
  size = [
    path.stat().st_size
    for path in (cli.folder / 'whole/checkpoints/6').rglob('*')
    if path.is_file()
  ]
  assert sum(size) < 1_000_000
  rows = json.loads((cli.folder / 'whole/prompt_rows.json').read_text())
  assert len(set(rows['train']['rule'])) == 32
  assert not set(rows['train']['rule']) & set(rows['held_apart']['rule'])

  # On eight devices, the same prompt up to rounding.
  plain = ('--gin.DROPOUT_RATE=0.0', '--gin.PROMPT_INIT=classes')
  mesh = ('--gin.MESH_FSDP=2', '--gin.MESH_MODEL=2')
  assert tune('one', 2, *plain)[0] == 0
  assert tune('eight', 2, *plain, *mesh, devices=8)[0] == 0
  one, eight = (_leaves(cli.folder / n, 2) for n in ('one', 'eight'))
  prompt = "[0]['prompt']"
  np.testing.assert_allclose(one[prompt], eight[prompt], rtol=0.01, atol=0.01)

  # `eval` finds the prompt, its best step and its base by itself.
  evaluate = (
    'eval',
    *SMALL,
    '--gin_file=runs/eval.gin',
    LENGTHS,
    RULE,
    '--gin.CACHE_DIR=cache',
    f'--gin.DATA_DIR={rule_data}',
    '--gin.MIXTURE_OR_TASK_NAME=rule.t0',
    '--gin.MODEL_DIR=evaluated',
    "--gin.PROMPTS_FROM=['whole']",
    '--gin.MAX_EVAL_ROWS=10',
    '--gin.EVAL_EXAMPLES=0',
  )
  cli.check(*evaluate)
  found = [
    json.loads((cli.folder / name / 'eval/rule.t0/results.json').read_text())
    for name in ('whole', 'evaluated')
  ]
  best = re.search(r'checkpoints/(\d+)$', found[1]['soft_prompts'][0])[1]
  assert found[0]['step'] == int(best)
  assert found[0]['parts'][0]['mean'] == found[1]['parts'][0]['mean']
  code, _, error = cli(*evaluate, '--gin.CHECKPOINT_PATH=other')
  assert code == 2 and 'was trained on base' in error
