"""Few rows are cached twice, equally, and read."""

import json

import pytest

pytest.importorskip('apache_beam')

from benchmarks.memory import million_rows
from benchmarks.memory.watching import Phase
from tests.benchmarks.running import check_out


@pytest.mark.slow
def test_both_caches_are_equal_and_all_rows_are_read(
  monkeypatch, capsys, tmp_path
):
  # In this process, which has imported what each phase would import.
  monkeypatch.setattr(
    million_rows,
    'run_phase',
    lambda function, *values: Phase(1, 3, 2, 1, function(*values)),
  )
  out = tmp_path / 'out.json'
  million_rows.main(['--rows=300', '--workers=1', f'--out={out}'])
  summary = json.loads(capsys.readouterr().out.splitlines()[-1])
  check_out(out, summary)
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
