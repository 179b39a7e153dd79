"""Everything is done at small sizes, in this process."""

import json

import pytest

from benchmarks.growth import __main__ as benchmark
from benchmarks.growth import own
from benchmarks.memory.watching import Phase
from tests.benchmarks.running import check_out


def _run(name, growth, monkeypatch, capsys, tmp_path):
  """Returns the sizes that the benchmark reports."""
  monkeypatch.setattr(own, 'GROWTHS', {name: growth})
  # In this process, which has imported what each phase would import.
  monkeypatch.setattr(
    benchmark,
    'run_phase',
    lambda function, *values: Phase(1, 7, 2, 1, function(*values)),
  )
  out = tmp_path / 'out.json'
  benchmark.main([f'--work_dir={tmp_path}', f'--out={out}'])
  printed = capsys.readouterr()
  *lines, summary = map(json.loads, printed.out.splitlines())
  assert {line.pop('of') for line in lines} == {name}
  assert summary['measured'] == {name: lines}
  assert summary['peak_mib_exponent'] == {name: 0}
  assert f'| {growth.unit} |' in printed.err
  check_out(out, summary)
  return [line['size'] for line in lines]


def test_each_size_is_made_and_measured(monkeypatch, capsys, tmp_path):
  made = []
  growth = own.Growth(
    *('things done', (1, 20)),
    start=lambda folder, size: lambda: size,
    make=lambda folder, size: made.append((folder.name, size)),
  )
  assert _run('things', growth, monkeypatch, capsys, tmp_path) == [1, 20]
  assert made == [('1', 1), ('20', 20)]


@pytest.mark.slow
@pytest.mark.parametrize(
  ('name', 'sizes'),
  [
    ('rows', (20, 40)),
    ('tokens', (10_000, 20_000)),
    ('steps', (1, 20)),
    ('options', (8, 16)),
    ('layers', (1, 2)),
  ],
)
def test_what_is_done(name, sizes, monkeypatch, capsys, tmp_path):
  monkeypatch.setattr(own, '_PACKED_ROWS', 50)
  growth = own.GROWTHS[name]._replace(sizes=sizes)
  done = _run(name, growth, monkeypatch, capsys, tmp_path)
  # Tokens come in whole batches.
  spare = 4 * 2048 if name == 'tokens' else 0
  for size, found in zip(sizes, done, strict=True):
    assert size <= found <= size + spare
