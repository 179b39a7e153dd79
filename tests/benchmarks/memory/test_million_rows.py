"""Few rows are cached twice, equally, and read."""

import pytest

from tests.benchmarks.running import run

pytest.importorskip('apache_beam')


@pytest.mark.slow
def test_both_caches_are_equal_and_all_rows_are_read():
  summary = run('memory.million_rows', '--rows=300', '--workers=1')[-1]
  assert summary['caches_equal']
  assert summary['cache']['result']['rows_cached'] == 300
  assert summary['read']['result']['examples'] >= 300
  assert set(summary['read']['result']['private_mib_after_share']) == {
    '0.25',
    '0.5',
    '0.75',
    '1',
  }
  assert summary['cache']['peak_mib'] > summary['cache']['peak_private_mib'] > 0
