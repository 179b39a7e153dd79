"""A few clients load a server, and all their requests are answered."""

import pytest

from benchmarks.serve import clients
from tests.benchmarks.running import check_out, run

pytest.importorskip('uvicorn')


def test_prompts_have_no_open_places():
  found = clients.prompts()
  assert len(found) > 30
  assert not [text for text in found if '{' in text]


@pytest.mark.slow
def test_clients_are_answered_without_an_error(tmp_path, compiled):
  *phases, summary = run(
    'serve',
    '--clients=6',
    '--seconds=0',
    '--alone_seconds=0',
    '--warmup_requests=6',
    '--rounds=1',
    '--new_tokens=4',
    f'--work_dir={tmp_path}',
    f'--out={tmp_path / "out.json"}',
    JAX_COMPILATION_CACHE_DIR=str(compiled),
  )
  check_out(tmp_path / 'out.json', summary)
  names = [phase['phase'] for phase in phases]
  assert names == ['warm-up', 'warm-up', 'alone', 'together']
  assert [phase['requests'] for phase in phases] == [6, 12, 1, 6]
  assert not any(phase['errors'] for phase in phases)
  assert (summary['errors'], summary['requests']) == (0, 6)
  assert min(summary['resident_mib']) > 50
  assert summary['ratio_of_requests']['median'] > 0
