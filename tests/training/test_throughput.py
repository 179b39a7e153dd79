"""Counts exclude padding, and rates follow from counts and time."""

import jax
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.batches.packing import Capacity, Example, empty_batch, fill_row
from flan_jax.model import DecoderConfig, flops
from flan_jax.training import throughput

CONFIG = DecoderConfig(
  vocab_size=64,
  num_layers=2,
  d_model=16,
  d_ff=32,
  num_heads=2,
  num_kv_heads=2,
  head_dim=8,
)
# Lengths of the examples of each row, in tokens.
ROWS = [[5, 4], [9], [], [3, 3, 3], [2], [6], [7, 2], [4]]


def _batch():
  batch = empty_batch(len(ROWS), Capacity(tokens=12, targets=8, segments=4))
  for row, lengths in enumerate(ROWS):
    examples = [Example([7] * (n - 1), ([8, 1],)) for n in lengths]
    fill_row(batch, row, examples)
  return batch


def _counts(batch):
  counts = jax.jit(throughput.batch_counts)(batch)
  return {name: float(count) for name, count in counts.items()}


def test_counts_match_the_examples():
  lengths = [length for row in ROWS for length in row]
  assert _counts(_batch()) == {
    'places': 8 * 12,
    'examples': len(lengths),
    'visible_pairs': flops.visible_pairs(lengths),
  }
  near = throughput.batch_counts(_batch(), window=4)['near_pairs']
  assert near == flops.visible_pairs(lengths, window=4)


def test_batch_over_all_devices_is_counted_as_a_whole():
  mesh = sharding.make_mesh(sharding.MeshConfig(data=4, fsdp=2))
  batch = jax.device_put(_batch(), sharding.batch_sharding(mesh))
  assert _counts(batch) == _counts(_batch())


def test_pairs_of_a_large_batch_do_not_overflow():
  # Their number exceeds a 32-bit integer.
  rows, length = 64, 16_384
  batch = {
    'segments': np.ones((rows, length), np.int32),
    'positions': np.tile(np.arange(length, dtype=np.int32), (rows, 1)),
  }
  pairs = rows * flops.visible_pairs([length])
  assert pairs > 2**32
  assert _counts(batch)['visible_pairs'] == pytest.approx(pairs, rel=1e-6)


def _rates(peak, devices=4):
  counts = {
    'tokens': 1000,
    'target_tokens': 100,
    'visible_pairs': 9000,
    'places': 1200,
    'examples': 30,
  }
  return throughput.Throughput(CONFIG, devices, peak).rates(counts, 0.5)


def test_rates_follow_from_counts_and_time():
  rates = _rates(throughput.Peak(1e9, 'mfu', 'published'))
  assert rates['tokens_per_second'] == 2000
  assert rates['places_per_second'] == 2400
  assert rates['examples_per_second'] == 60
  work = flops.Work(tokens=1000, targets=100, pairs=9000)
  per_device = flops.training_flops(CONFIG, work).total / 0.5 / 4
  assert rates['model_tflops_per_device'] == pytest.approx(per_device / 1e12)
  assert rates['mfu'] == pytest.approx(per_device / 1e9)
  assert 'matmul_share' not in rates


def test_share_of_a_measured_rate_is_not_called_mfu():
  peak = throughput.Peak(1e9, 'matmul_share', 'measured')
  rates = _rates(peak)
  assert 'matmul_share' in rates and 'mfu' not in rates
  basis = throughput.Throughput(CONFIG, 1, peak).basis
  assert basis == 'matmul_share is a share of 0.001 TFLOP/s a device, measured'


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_device_without_published_rate_is_measured(monkeypatch, dtype):
  monkeypatch.setattr(throughput, '_WIDTHS', (32, 64))
  peak = throughput.device_peak(dtype, published=None)
  assert peak.share_name == 'matmul_share'
  assert np.isfinite(peak.flops) and peak.flops > 0
  assert dtype in peak.origin


def test_published_rate_is_not_measured(monkeypatch):
  monkeypatch.setattr(throughput, '_WIDTHS', ())  # Measuring would fail.
  peak = throughput.device_peak('bfloat16', published=61.5e12)
  assert (peak.flops, peak.share_name) == (61.5e12, 'mfu')


def test_goodput_is_the_share_of_time_in_steps(monkeypatch):
  now = [100.0]
  monkeypatch.setattr(throughput.time, 'monotonic', lambda: now[0])
  goodput = throughput.Goodput()
  now[0] = 110.0  # Compiled for six seconds, then four for the first step.
  assert goodput.after(4.0) == {'goodput': 0.4}
  now[0] = 120.0
  assert goodput.after(8.0) == {'goodput': 0.6}


def test_spread_of_step_times_is_over_all_processes():
  class Others:
    def set_step_seconds(self, seconds):
      self.times = [seconds, 2.5, 1.0]

    def step_seconds(self):
      return self.times

  found = throughput.Goodput(Others()).after(2.0)
  assert found['step_seconds_spread'] == 1.5
