"""Both sides cache the same texts."""

import pytest

from tests.benchmarks.running import run

pytest.importorskip('apache_beam')
pytest.importorskip('google_crc32c')


@pytest.mark.slow
def test_both_sides_cache_the_same_texts():
  *lines, summary = run('cache', '--datasets=sst2', '--rows=30', '--rounds=1')
  assert summary['same_texts']
  assert summary['renderings'] >= 30
  assert summary['ratio_to_seqio_per_core'] > 0
  turns = [line['turn']['side'] for line in lines if 'turn' in line]
  assert turns == ['flan_jax', 'seqio']
