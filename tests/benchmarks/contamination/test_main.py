"""A small corpus of two forms is searched, and its planted rows are found."""

import json

import pytest

from benchmarks.contamination import __main__ as benchmark
from tests.benchmarks.running import check_out


@pytest.mark.slow
def test_planted_rows_are_found_in_each_form(capsys, tmp_path):
  benchmark.main(
    [
      '--megabytes=1',
      '--rows=300',
      '--planted=9',
      '--forms=text_with_accents,json_lines_gzip',
      f'--work_dir={tmp_path}',
      f'--out={tmp_path / "out.json"}',
    ]
  )
  *lines, summary = map(json.loads, capsys.readouterr().out.splitlines())
  check_out(tmp_path / 'out.json', summary)
  assert len(lines) == 2 and summary['all_found']
  for line in lines:
    assert (line['found'], line['false']) == (9, 0)
    assert 0.001 <= line['gigabytes'] < 0.002
    assert summary[f'{line["form"]}_gb_per_cpu_minute'] > 0
