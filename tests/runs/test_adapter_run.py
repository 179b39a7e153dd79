"""`flan-jax train` with LORA_RANK: mistakes, resuming, and later use."""

import json

import jax
import pytest

from flan_jax.model import init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import LENGTHS, RULE, SMALL, SMALL_SHAPE, TRAIN

_FORMAT = '--gin.PROMPT_FORMAT={input} Answer:'
_LORA = (
  'train',
  *TRAIN,
  RULE,
  '--gin_file=runs/lora.gin',
  '--gin.LORA_RANK=4',
  '--gin.CACHE_DIR=cache',
  '--gin.MODEL_DIR=adapters',
  '--gin.INITIAL_CHECKPOINT_PATH=base',
  _FORMAT,
)


@pytest.mark.parametrize(
  'flag, message',
  [
    ('INITIAL_CHECKPOINT_PATH=None', 'adapters need a base model'),
    ('LORA_RANK=-1', 'LORA_RANK is -1: it must be an integer of at least 0'),
    ("LORA_TARGETS=['embedding']", "'embedding' matches no projection"),
    ("FROZEN=['embedding']", 'FROZEN is set, but with LORA_RANK'),
    ('LOCAL_CHECKPOINT_DIR=local', 'checkpoints of adapters are small'),
  ],
)
def test_mistakes_are_found_before_data_is_read(cli, flag, message):
  code, _, error = cli(
    *_LORA, '--gin.MIXTURE_OR_TASK_NAME=rule', f'--gin.{flag}', '--dry_run'
  )
  assert code == 2 and message in error


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_adapters_resume_bit_for_bit_and_are_evaluated_with_their_base(
  cli, rule_data
):
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  for seed, name in enumerate(('base', 'other')):
    params = init_params(SMALL_SHAPE, seed, mesh)
    Checkpointer.save_params(cli.folder / name, params, {})

  def train(name, steps, *flags):
    return cli(
      *_LORA,
      '--gin.MIXTURE_OR_TASK_NAME=rule_train',
      '--gin.EVAL_MIXTURE=rule_eval',
      f'--gin.DATA_DIR={rule_data}',
      f'--gin.MODEL_DIR={name}',
      f'--gin.TRAIN_STEPS={steps}',
      '--gin.WARMUP_STEPS=1',
      '--gin.DECAY_STEPS=6',
      '--gin.LEARNING_RATE=0.01',
      '--gin.EMA_DECAY=0.5',
      '--gin.USE_EMA=True',
      '--gin.EVAL_PERIOD=2',
      '--gin.EVAL_ROWS=4',
      '--gin.MAX_EVAL_ROWS=4',
      '--gin.DROPOUT_RATE=0.1',
      *flags,
    )

  out = cli.check(
    *_LORA,
    '--gin.MIXTURE_OR_TASK_NAME=rule',
    f'--gin.DATA_DIR={rule_data}',
    '--dry_run',
  )
  assert 'of which trained: 11,776, adapters of rank 4 beside query' in out
  for name, steps in (('whole', 6), ('broken', 4)):
    code, _, error = train(name, steps)
    assert code == 0, error
  for flag, message in (
    ('INITIAL_CHECKPOINT_PATH=other', 'was trained on base'),
    ('LORA_RANK=0', 'was trained with LORA_RANK 4, and it is 0 now'),
    ('LORA_ALPHA=4', 'was trained with LORA_ALPHA 32.0, and it is 4 now'),
    ("LORA_TARGETS=['layers/up']", 'was trained with LORA_TARGETS'),
  ):
    code, _, error = train('broken', 6, f'--gin.{flag}')
    assert code == 2 and message in error
  code, out, _ = train('broken', 6)
  assert code == 0 and 'resuming from step 4' in out
  whole, broken = (Checkpointer.digests(n) for n in _paths(cli, 'whole broken'))
  assert whole == broken and set(whole) == {'params', 'average', 'training'}
  size = [
    path.stat().st_size
    for path in (cli.folder / 'whole/checkpoints/6').rglob('*')
    if path.is_file()
  ]
  # The base has 2.8 MB.
  assert sum(size) < 700_000

  shared = (
    *SMALL,
    RULE,
    LENGTHS,
    _FORMAT,
    '--gin.CACHE_DIR=cache',
    '--gin.USE_EMA=True',
  )
  (cli.folder / 'base').rename(cli.folder / 'moved')
  evaluate = (
    *('eval', *shared, '--gin_file=runs/eval.gin'),
    f'--gin.DATA_DIR={rule_data}',
    '--gin.MIXTURE_OR_TASK_NAME=rule_eval',
    '--gin.MODEL_DIR=evaluated',
    '--gin.CHECKPOINT_PATH=whole',
    '--gin.MAX_EVAL_ROWS=4',
    '--gin.EVAL_EXAMPLES=0',
  )
  code, _, error = cli(*evaluate)
  assert code == 2 and 'no checkpoint in' in error
  cli.check(*evaluate, '--gin.BASE_CHECKPOINT_PATH=moved')
  found = [
    json.loads((path / 'eval/rule_eval/results.json').read_text())['parts']
    for path in _paths(cli, 'whole evaluated')
  ]
  assert found[0] == found[1]

  (cli.folder / 'prompts.txt').write_text('Is this a rule?\n')
  answer = cli.check(
    *('infer', *shared, '--gin_file=runs/infer.gin'),
    '--gin.MODEL_DIR=whole',
    '--gin.BASE_CHECKPOINT_PATH=moved',
    '--gin.PROMPTS=prompts.txt',
    '--gin.MAX_NEW_TOKENS=2',
  )
  assert json.loads(answer.splitlines()[-1])['prompt'] == 'Is this a rule?'


def _paths(cli, names):
  return [cli.folder / name for name in names.split()]
