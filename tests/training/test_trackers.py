"""Trackers keep the metrics of a run, each step once, over all resumes."""

import importlib.metadata
import importlib.util
import json
import pathlib
import subprocess
import sys
import time

import pytest

from flan_jax.errors import ConfigError
from flan_jax.training import trackers
from flan_jax.training.trackers import METRICS, check_trackers, open_trackers
from tests.training import events


def _json_lines(folder, first_step):
  return open_trackers(['jsonl'], folder, first_step, {})[0]


def test_a_resumed_run_drops_later_and_incomplete_lines(tmp_path):
  lines = [json.dumps({'step': step}) + '\n' for step in (1, 2, 3)]
  (tmp_path / METRICS).write_text(''.join(lines) + '{"step": 1, "los')
  writer = _json_lines(tmp_path, 2)
  writer.write(3, 'train', {'loss': 2.0})
  writer.close()
  found = (tmp_path / METRICS).read_text().splitlines()
  assert [json.loads(line)['step'] for line in found] == [1, 2, 3]
  assert json.loads(found[-1])['loss'] == 2.0


def test_an_evaluation_is_replaced_by_that_of_a_resumed_run(tmp_path):
  for _ in range(2):
    writer = _json_lines(tmp_path, 2)
    writer.write(2, 'eval', {'accuracy': 50.0})
    writer.close()
  writer = _json_lines(tmp_path, 3)
  writer.write(4, 'train', {'loss': 2.0})
  writer.close()
  found = map(json.loads, (tmp_path / METRICS).read_text().splitlines())
  assert [(one['step'], one['kind']) for one in found] == [
    (2, 'eval'),
    (4, 'train'),
  ]


def test_damaged_lines_are_left_out_and_counted(tmp_path, caplog):
  lines = [b'{"step": 1}', b'{"step": \xff}', b'7', b'{"stop": 2}', b'[' * 9999]
  (tmp_path / METRICS).write_bytes(b'\n'.join([*lines, b'{"step": 2}\n']))
  _json_lines(tmp_path, 2).close()
  found = (tmp_path / METRICS).read_text().splitlines()
  assert found == ['{"step": 1}', '{"step": 2}']
  assert '4 damaged lines of' in caplog.text and METRICS in caplog.text


def test_a_file_in_a_bucket_is_rewritten_when_flushed(tmp_path, monkeypatch):
  monkeypatch.setattr(trackers, 'is_local', lambda path: False)
  (tmp_path / METRICS).write_text('{"step": 1}\n')
  writer = _json_lines(tmp_path, 1)
  writer.write(2, 'train', {'loss': 2.0})
  assert (tmp_path / METRICS).read_text() == '{"step": 1}\n'
  writer.flush()
  writer.write(3, 'train', {'loss': 1.0})
  writer.close()
  found = (tmp_path / METRICS).read_text().splitlines()
  assert [json.loads(line)['step'] for line in found] == [1, 2, 3]


def test_one_word_names_one_tracker():
  # As in --gin.TRACKERS=tensorboard.
  assert check_trackers('tensorboard') == ('jsonl', 'tensorboard')
  assert check_trackers(()) == ('jsonl',)


@pytest.mark.parametrize(
  'names, message',
  [
    (['tensorbord'], 'tensorboard, wandb; nearest: tensorboard'),
    (None, 'TRACKERS is None'),
    ([3], 'TRACKERS has 3'),
  ],
)
def test_an_unknown_tracker_is_named(names, message):
  with pytest.raises(ConfigError, match=message):
    check_trackers(names)


def test_the_extra_of_a_missing_package_is_named(monkeypatch):
  def version(name):
    raise importlib.metadata.PackageNotFoundError(name)

  monkeypatch.setattr(importlib.metadata, 'version', version)
  with pytest.raises(ConfigError, match=r"pip install 'flan_jax\[wandb\]'"):
    check_trackers(['wandb'])


def test_tensorboard_drops_the_steps_that_a_resumed_run_repeats(tmp_path):
  for first, last in ((0, 3), (2, 4)):
    (board,) = open_trackers(['tensorboard'], tmp_path, first, {})
    for step in range(first + 1, last + 1):
      board.write(step, 'train', {'loss': 1 / step})
    board.close()
  # TensorBoard drops what earlier files have of steps from a start on.
  first, second = map(events.read, sorted((tmp_path / 'tensorboard').iterdir()))
  starts = [
    e.step for e in second if e.session_log.status == e.session_log.START
  ]
  assert starts == [3]
  assert [events.scalars(e)['train/loss'] for e in (first, second)] == [
    {1: 1.0, 2: 0.5, 3: pytest.approx(1 / 3)},
    {3: pytest.approx(1 / 3), 4: 0.25},
  ]


@pytest.mark.skipif(
  importlib.util.find_spec('torch') is None, reason='no PyTorch to be loaded'
)
def test_tensorboard_does_not_load_pytorch(tmp_path):
  program = (
    'import sys\n'
    'from flan_jax.training.trackers import open_trackers\n'
    f'board, = open_trackers(["tensorboard"], {str(tmp_path)!r}, 0, {{}})\n'
    'board.write(1, "train", {"loss": 1.0})\n'
    'board.close()\n'
    'assert "torch" not in sys.modules\n'
  )
  subprocess.run([sys.executable, '-c', program], check=True)


@pytest.mark.slow
def test_a_resumed_run_stays_one_run_of_wandb(tmp_path, monkeypatch):
  pytest.importorskip('wandb')
  # Neither may any of this reach a server, nor a user's settings the test.
  monkeypatch.setenv('WANDB_MODE', 'offline')
  monkeypatch.setenv('WANDB_CONFIG_DIR', str(tmp_path / 'config'))
  monkeypatch.setenv('WANDB_CACHE_DIR', str(tmp_path / 'cache'))
  for first in (0, 1):
    (run,) = open_trackers(['wandb'], tmp_path, first, {'seed': 3})
    run.write(first + 1, 'train', {'loss': 0.5})
    run.write(first + 1, 'validation', {'accuracy/rte': 0.25})
    run.close()
  name = (tmp_path / 'wandb_id').read_text()
  runs = sorted((tmp_path / 'wandb').glob('offline-run-*'))
  assert len(runs) == 2
  # Two runs of one second are told apart by a number behind the id.
  assert {run.name.split('-')[3] for run in runs} == {name}
  # wandb's own process may write a while after a run is closed.
  deadline = time.monotonic() + 60
  while not all(map(_history, runs)) and time.monotonic() < deadline:
    time.sleep(0.1)
  assert [_history(run) for run in runs] == [
    {'_step': step, 'train/loss': 0.5, 'validation/accuracy/rte': 0.25}
    for step in (1, 2)
  ]


@pytest.mark.slow
def test_wandb_stays_offline_unless_its_mode_is_set(tmp_path, monkeypatch):
  wandb = pytest.importorskip('wandb')
  monkeypatch.delenv('WANDB_MODE', raising=False)
  asked = {}
  monkeypatch.setattr(wandb, 'init', lambda **settings: asked.update(settings))
  open_trackers(['wandb'], tmp_path, 0, {})
  assert asked['mode'] == 'offline'
  monkeypatch.setenv('WANDB_MODE', 'online')
  open_trackers(['wandb'], tmp_path, 0, {})
  assert asked['mode'] is None  # wandb reads the variable.


def _history(run: pathlib.Path) -> dict[str, float]:
  """Returns the metrics of the one step in an offline run."""
  from wandb.proto import wandb_internal_pb2

  (path,) = run.glob('*.wandb')
  # A LevelDB log: 7 bytes, then records of checksum, length, type and data.
  # Short as it is, no record is divided.
  data, place, found = path.read_bytes(), 7, {}
  while place < len(data):
    size = int.from_bytes(data[place + 4 : place + 6], 'little')
    record = wandb_internal_pb2.Record()
    record.ParseFromString(data[place + 7 : place + 7 + size])
    place += 7 + size
    for item in record.history.item:
      name = item.key or '/'.join(item.nested_key)
      found[name] = json.loads(item.value_json)
  return {k: v for k, v in found.items() if k[:1] != '_' or k == '_step'}
