"""Training metrics go to files and to the console."""

import json

import pytest

from flan_jax.training import metric_writer
from flan_jax.training.metric_writer import METRICS, Console, MetricWriter


def test_one_process_writes(tmp_path):
  for enabled in (True, False):
    writer = MetricWriter(tmp_path, first_step=0, enabled=enabled)
    writer.write(1, 'train', {'loss': 2.0})
    writer.close()
  lines = (tmp_path / METRICS).read_text().splitlines()
  assert list(map(json.loads, lines)) == [
    {'step': 1, 'kind': 'train', 'loss': 2.0}
  ]
  assert len(list((tmp_path / 'tensorboard').iterdir())) == 1


def test_resumed_run_drops_later_and_incomplete_lines(tmp_path):
  lines = [json.dumps({'step': step}) + '\n' for step in (1, 2, 3)]
  (tmp_path / METRICS).write_text(''.join(lines) + '{"step": 1, "los')
  writer = MetricWriter(tmp_path, first_step=2)
  writer.write(3, 'train', {'loss': 2.0})
  writer.close()
  found = (tmp_path / METRICS).read_text().splitlines()
  assert [json.loads(line)['step'] for line in found] == [1, 2, 3]
  assert json.loads(found[-1])['loss'] == 2.0


def test_file_in_a_bucket_is_rewritten_when_flushed(tmp_path, monkeypatch):
  monkeypatch.setattr(metric_writer, 'is_local', lambda path: False)
  (tmp_path / METRICS).write_text('{"step": 1}\n')
  writer = MetricWriter(tmp_path, first_step=1)
  writer.write(2, 'train', {'loss': 2.0})
  assert (tmp_path / METRICS).read_text() == '{"step": 1}\n'
  writer.flush()
  writer.write(3, 'train', {'loss': 1.0})
  writer.close()
  found = (tmp_path / METRICS).read_text().splitlines()
  assert [json.loads(line)['step'] for line in found] == [1, 2, 3]


@pytest.mark.parametrize(
  'share, shown', [('mfu', 'MFU 41.2 %'), ('matmul_share', 'matmul share')]
)
def test_the_bar_shows_rates(capsys, share, shown):
  console = Console(0, 10)
  console.step({'loss': 1.5, 'tokens_per_second': 12345.6, share: 0.412})
  console.close()
  error = capsys.readouterr().err
  assert 'step 1/10' in error
  assert 'loss 1.500, 12,346 tokens/s' in error
  assert shown in error and '41.2 %' in error


def test_one_process_prints(capsys):
  console = Console(0, 10, enabled=False)
  console.step({'loss': 1.5, 'tokens_per_second': 10.0})
  console.log('a line')
  console.close()
  assert capsys.readouterr() == ('', '')
