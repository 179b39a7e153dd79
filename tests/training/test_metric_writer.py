"""Training metrics go to files and to the console."""

import json

import pytest

from flan_jax.runtime.recorded_files import DIGESTS
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.trackers import METRICS


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


def test_only_the_trackers_that_are_named_are_opened(tmp_path):
  writer = MetricWriter(tmp_path, first_step=0, trackers=('jsonl',))
  writer.write(1, 'train', {'loss': 2.0})
  writer.close()
  assert {path.name for path in tmp_path.iterdir()} == {METRICS, DIGESTS}


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
