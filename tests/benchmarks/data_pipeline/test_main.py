"""The comparison runs to its end, and both sides read the same texts."""

import pytest

from tests.benchmarks.running import check_out, run

pytest.importorskip('apache_beam')
pytest.importorskip('google_crc32c')

_SIDES = ('flan_jax', 'seqio_online', 'seqio_cached_several')


@pytest.mark.slow
def test_the_last_line_holds_what_is_documented(tmp_path):
  lines = run(
    'data_pipeline',
    '--datasets=sst2',
    '--rows=50',
    f'--sides={",".join(_SIDES)}',
    '--lengths=64,16',
    '--pack_length=256',
    '--batch_rows=2',
    '--warmup=1',
    '--seconds=0.1',
    '--repetitions=2',
    f'--work_dir={tmp_path}',
    f'--out={tmp_path / "out.json"}',
  )
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert sorted(t['side'] for t in turns) == sorted(_SIDES * 2)
  summary = lines[-1]
  check_out(tmp_path / 'out.json', summary)
  for key in (
    'ratio_to_seqio_online',
    'ratio_to_seqio_cached',
    'fill',
    'seconds_to_first_batch',
    'seconds_to_seek',
    'rows_cached_per_second',
  ):
    assert summary[key] > 0, key
  # Not asked for: no figure.
  assert summary['ratio_to_hugging_face'] is None
  for name in _SIDES:
    # Whatever a side reads is an example of this project's cache.
    assert summary['sides'][name]['texts_shared'] == 1
    assert 0 < summary['sides'][name]['fill'] <= 1
    assert summary['sides'][name]['tokens_per_second']['median'] > 0
