"""Processes of a run stop at the same step, whichever of them is asked."""

import json
import os
import signal
import socket
import time

import pytest

from flan_jax.training.checkpoint import Checkpointer
from tests.command_line import LENGTHS, RULE, TRAIN


def _start(cli, data_dir, *more):
  """Starts two processes of a run."""
  with socket.socket() as listener:
    listener.bind(('localhost', 0))
    address = f'localhost:{listener.getsockname()[1]}'
  flags = (
    *('train', *TRAIN, RULE, LENGTHS, f'--gin.DATA_DIR={data_dir}'),
    *('--gin.CACHE_DIR=cache', '--gin.MODEL_DIR=model'),
    '--gin.MIXTURE_OR_TASK_NAME=rule_train',
    *('--gin.TRAIN_STEPS=4000', '--gin.EVAL_PERIOD=0'),
    f'--coordinator_address={address}',
    '--process_count=2',
    *more,
  )
  return [
    cli.start(*flags, f'--process_index={n}', JAX_PLATFORMS='cpu')
    for n in range(2)
  ]


def _steps(folder) -> list[int]:
  path = folder / 'model/metrics.jsonl'
  lines = path.read_text().splitlines() if path.exists() else []
  return [json.loads(line)['step'] for line in lines if line.endswith('}')]


@pytest.mark.slow
@pytest.mark.usefixtures('warm_cache')
def test_a_signal_to_one_process_stops_all_at_one_step(cli, rule_data):
  running = _start(cli, rule_data, '--gin.CHECKPOINT_PERIOD=1 s')
  deadline = time.time() + 240
  try:
    while time.time() < deadline and len(_steps(cli.folder)) < 5:
      assert [p.poll() for p in running] == [None, None]
      time.sleep(0.1)
    os.kill(running[1].pid, signal.SIGTERM)
    printed = [process.communicate(timeout=120) for process in running]
  finally:
    for process in running:
      process.kill()
  assert [process.returncode for process in running] == [0, 0], printed
  found = _steps(cli.folder)[-1]
  for _, error in printed:
    assert f'stopped after step {found}, which is saved' in error
    assert 'Traceback' not in error
  assert Checkpointer.find(cli.folder / 'model')[1] == found
  assert not (cli.folder / 'model/run.lock').exists()
