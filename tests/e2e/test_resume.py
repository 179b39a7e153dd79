"""A killed run continues as if it had not been interrupted."""

import json
import os
import re
import signal
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from flan_jax.runtime.folder_lock import held
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.local_snapshots import LocalSnapshots
from tests.command_line import LENGTHS, ROOT, RULE, SMALL, TRAIN
from tests.e2e import kill_campaign

_EVALUATE = (
  *SMALL,
  '--gin_file=runs/eval.gin',
  RULE,
  LENGTHS,
  '--gin.MIXTURE_OR_TASK_NAME=rule_eval',
  '--gin.CACHE_DIR=cache',
  '--gin.MAX_EVAL_ROWS=20',
  '--gin.EVAL_EXAMPLES=0',
)
_HEAVY = ('tensorflow', 'tensorflow_datasets', 'tensorflow_text', 'seqio')


def _arguments(data_dir: str, name: str, steps: int) -> list[str]:
  return [
    'train',
    *TRAIN,
    RULE,
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    f'--gin.DATA_DIR={data_dir}',
    '--gin.CACHE_DIR=cache',
    f'--gin.MODEL_DIR={name}',
    f'--gin.TRAIN_STEPS={steps}',
    '--gin.EVAL_PERIOD=0',
    '--gin.CHECKPOINT_PERIOD=5',
    '--gin.DROPOUT_RATE=0.1',
  ]


def _metrics(folder) -> list[dict]:
  lines = (folder / 'metrics.jsonl').read_text().splitlines()
  return [json.loads(line) for line in lines]


def _comparable(record: dict) -> dict:
  """Returns the metrics that do not depend on the speed of the machine."""
  timed = ('_per_second', '_per_device', '_share', '_spread', 'goodput')
  return {k: v for k, v in record.items() if not k.endswith(timed)}


def _leaves(folder, step: int) -> list[np.ndarray]:
  """Returns parameters, optimizer state, step and seed of a checkpoint."""
  reader = ocp.PyTreeCheckpointer()
  path = folder / 'checkpoints' / str(step)
  return jax.tree.leaves(
    [reader.restore(path / item) for item in ('params', 'training')]
  )


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_killed_and_resumed_equals_uninterrupted_bit_for_bit(cli, rule_data):
  # Each in its own process, as XLA rounds differently with other devices.
  cli.check_process(*_arguments(rule_data, 'whole', 12))
  folder = cli.folder / 'broken'
  code, out, error = _stopped(cli, rule_data, signal.SIGTERM, lines=2)
  step = int(re.search(r'stopped after step (\d+), which is saved', error)[1])
  assert code == 0 and 'Traceback' not in error and 'resuming' not in out
  assert Checkpointer.find(folder)[1] == step
  code, out, _ = _stopped(cli, rule_data, signal.SIGKILL, lines=7)
  assert code == -signal.SIGKILL and f'resuming from step {step}' in out
  out = cli.check_process(*_arguments(rule_data, 'broken', 12))
  assert 'resuming from step' in out
  whole, broken = _metrics(cli.folder / 'whole'), _metrics(folder)
  assert [r['step'] for r in broken] == list(range(1, 13))
  assert [_comparable(r) for r in broken] == [_comparable(r) for r in whole]
  for a, b in zip(
    _leaves(cli.folder / 'whole', 12), _leaves(folder, 12), strict=True
  ):
    assert np.array_equal(a, b)


def _stopped(cli, rule_data, number, lines: int) -> tuple[int, str, str]:
  """Sends a signal once a checkpoint and some lines of metrics are written."""
  process = cli.start(*_arguments(rule_data, 'broken', 12))
  folder = cli.folder / 'broken'
  deadline = time.time() + 240
  while time.time() < deadline:
    metrics = folder / 'metrics.jsonl'
    # The name of an unfinished one is a number and a suffix.
    names = [path.name for path in (folder / 'checkpoints').glob('*')]
    saved = any(name.isdigit() for name in names) or number != signal.SIGKILL
    if saved and metrics.exists() and len(_whole_lines(metrics)) >= lines:
      break
    assert process.poll() is None, process.stderr.read()
    time.sleep(0.02)
  process.send_signal(number)
  out, error = process.communicate()
  return process.returncode, out, error


def _whole_lines(path) -> list[str]:
  return [line for line in path.read_text().split('\n') if line.endswith('}')]


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_short_campaign_of_kills_leaves_no_trace(tmp_path, rule_data):
  # `python -m tests.e2e.kill_campaign` is the long one.
  (tmp_path / 'data').symlink_to(rule_data)
  (saving,) = [
    w for w in kill_campaign.workloads(steps=8) if w.name == 'saving'
  ]
  assert kill_campaign.Campaign(tmp_path, seed=0).run(saving, kills=1) == 1


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_run_goes_on_from_copies_on_the_local_disk(
  cli, rule_data, monkeypatch
):
  def arguments(name):
    return (
      *_arguments(rule_data, name, 8),
      '--gin.CHECKPOINT_PERIOD=5',
      '--gin.LOCAL_CHECKPOINT_DIR=local',
      '--gin.LOCAL_CHECKPOINT_PERIOD=2',
    )

  cli.check(*arguments('whole'))
  save = LocalSnapshots.save

  def failing(self, step, *more):
    save(self, step, *more)
    if step == 6:
      self.wait()
      raise RuntimeError('the process ends here')

  with monkeypatch.context() as patched:
    patched.setattr(LocalSnapshots, 'save', failing)
    with pytest.raises(RuntimeError, match='ends here'):
      cli(*arguments('broken'))
  assert Checkpointer.find(cli.folder / 'broken')[1] == 5
  out = cli.check(*arguments('broken'))
  assert 'reading the copy of step 6 on local disks' in out
  assert 'resuming from step 6' in out
  whole, broken = (_metrics(cli.folder / name) for name in ('whole', 'broken'))
  assert [_comparable(r) for r in broken] == [_comparable(r) for r in whole]
  digests = [Checkpointer.digests(cli.folder / n) for n in ('whole', 'broken')]
  assert digests[0] == digests[1]


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_other_data_order_is_refused(cli, rule_data):
  cli.check(*_arguments(rule_data, 'model', 5))
  record = (cli.folder / 'model/config.gin').read_text()
  base = '--gin.EVAL_BASE=True', '--gin.EVAL_MIXTURE=rule_eval'
  for others in (('--gin.SEED=1', *base), ('--gin.PERMUTE_TARGETS=True',)):
    code, _, error = cli(*_arguments(rule_data, 'model', 10), *others)
    assert code == 2
    assert 'was trained with other data, rates, seed' in error
    assert 'Traceback' not in error
    # The run that is there keeps its record, and is not locked.
    assert (cli.folder / 'model/config.gin').read_text() == record
    assert not (cli.folder / 'model/run.lock').exists()
    assert not (cli.folder / 'model/eval_base').exists()
  out = cli.check(*_arguments(rule_data, 'model', 6), '--gin.LEARNING_RATE=0.1')
  assert 'changed: LEARNING_RATE = 0.02 -> 0.1\n' in out
  assert 'changed: TRAIN_STEPS = 5 -> 6\n' in out
  assert 'changed: SEED' not in out


@pytest.mark.usefixtures('warm_cache')
def test_a_folder_in_use_is_refused(cli, rule_data):
  with held(cli.folder / 'model'):
    code, out, error = cli(*_arguments(rule_data, 'model', 5))
    found = [path.name for path in (cli.folder / 'model').iterdir()]
  assert code == 2 and 'model is in use by process' in error
  # A slow machine shows the progress of caching as well.
  assert error.count('flan-jax train: ') == 1 and 'compiled' not in out
  assert found == ['run.lock']


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_run_on_permuted_targets_resumes_and_says_so(cli, rule_data):
  def train(name, steps):
    permuted = '--gin.PERMUTE_TARGETS=True'
    return cli.check(*_arguments(rule_data, name, steps), permuted)

  train('whole', 10)
  assert 'targets are permuted inside each dataset' in train('broken', 5)
  assert 'resuming from step 5' in train('broken', 10)
  whole, broken = (_metrics(cli.folder / name) for name in ('whole', 'broken'))
  assert [_comparable(r) for r in broken] == [_comparable(r) for r in whole]
  record = Checkpointer.read_record(cli.folder / 'broken')
  assert record['permute_targets'] is True


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_adamw_with_a_schedule_and_an_average_resumes(cli, rule_data):
  adamw = (
    '--gin.OPTIMIZER=adamw',
    '--gin.LEARNING_RATE=0.003',
    '--gin.LEARNING_RATE_SCHEDULE=cosine',
    '--gin.WARMUP_STEPS=2',
    '--gin.DECAY_STEPS=8',
    '--gin.FINAL_LEARNING_RATE=1e-5',
    '--gin.WEIGHT_DECAY=0.1',
    '--gin.EMA_DECAY=0.5',
    "--gin.FROZEN=['embedding']",
  )

  def train(name, steps, *flags):
    return cli(*_arguments(rule_data, name, steps), *adamw, *flags)

  assert train('whole', 8)[0] == 0
  assert train('broken', 5)[0] == 0
  code, _, error = train('broken', 8, '--gin.OPTIMIZER=adafactor')
  assert code == 2 and "was trained with OPTIMIZER 'adamw', and it" in error
  code, _, error = train('broken', 8, '--gin.EMA_DECAY=None')
  assert code == 2 and 'was trained with EMA_DECAY: set EMA_DECAY' in error
  assert train('broken', 8)[0] == 0
  whole, broken = (_metrics(cli.folder / name) for name in ('whole', 'broken'))
  assert [_comparable(r) for r in broken] == [_comparable(r) for r in whole]
  rates = [record['learning_rate'] for record in whole]
  assert max(rates) == rates[1] == pytest.approx(0.003)
  assert rates[0] == pytest.approx(0.0015) and 1e-5 < rates[7] < rates[6]
  digests = [Checkpointer.digests(cli.folder / n) for n in ('whole', 'broken')]
  assert digests[0] == digests[1]
  assert set(digests[0]) == {'params', 'average', 'training'}
  code, _, error = train('other', 1, '--gin.EMA_DECAY=None', '--gin.USE_EMA=1')
  assert code == 2 and 'USE_EMA is 1: it must be True or False' in error
  code, _, error = train(
    'other', 1, '--gin.EMA_DECAY=None', '--gin.USE_EMA=True'
  )
  assert code == 2 and 'the run has no moving average: set EMA_DECAY' in error


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_an_initial_checkpoint_provides_only_parameters(cli, rule_data):
  cli.check(*_arguments(rule_data, 'first', 5))
  second = [
    *_arguments(rule_data, 'second', 5),
    '--gin.INITIAL_CHECKPOINT_PATH=first',
  ]
  code, _, error = cli(*second, '--gin.DecoderConfig.d_ff=128')
  assert code == 2
  assert 'd_ff: 256 -> 128' in error and 'Traceback' not in error
  assert 'starting from the parameters of first' in cli.check(*second)
  first, tuned = (_metrics(cli.folder / name) for name in ('first', 'second'))
  assert [r['step'] for r in tuned] == [1, 2, 3, 4, 5]
  assert tuned[0]['loss'] < first[0]['loss'] / 2
  # Checkpoints in MODEL_DIR take precedence, and a message is printed.
  out = cli.check(*second)
  assert 'resuming from step 5' in out
  assert 'INITIAL_CHECKPOINT_PATH is not used' in out


@pytest.mark.slow
def test_finished_cache_needs_no_tensorflow(cli, rule_data):
  flags = _arguments(rule_data, 'model', 3)[1:]
  cli.check('cache', *flags, '--gin.EVAL_MIXTURE=rule_eval')
  # Packages that fail on import shadow the real ones.
  blocked = cli.folder / 'blocked'
  for name in _HEAVY:
    (blocked / name).mkdir(parents=True)
    (blocked / name / '__init__.py').write_text(
      f'raise ImportError("{name} must not be imported here")\n'
    )
  path = os.pathsep.join([str(blocked), str(ROOT)])
  out = cli.check_process(
    'train',
    *flags,
    '--gin.EVAL_MIXTURE=rule_eval',
    '--gin.MAX_EVAL_ROWS=20',
    PYTHONPATH=path,
  )
  assert 'rule_eval, in percent' in out
  assert 'at most 20 rows' in out
  table = (cli.folder / 'model/eval/rule_eval/table.txt').read_text()
  out = cli.check_process(
    'eval',
    *_EVALUATE,
    f'--gin.DATA_DIR={rule_data}',
    '--gin.MODEL_DIR=model',
    PYTHONPATH=path,
  )
  # The restored checkpoint gives the scores of the final state.
  assert table in out
  (tokens,) = (cli.folder / 'cache/rule').glob('rule.train-*/*/tokens.bin')
  tokens.write_bytes(b'\xff' + tokens.read_bytes()[1:])
  code, _, error = cli('train', *flags, '--gin.TRAIN_STEPS=9')
  assert code == 2
  assert 'tokens.bin is damaged or missing: remove' in error
