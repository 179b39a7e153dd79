"""The comparison runs to its end, and both sides read the same texts."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytest.importorskip('apache_beam')
pytest.importorskip('google_crc32c')

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_SIDES = ('flan_jax', 'seqio_online', 'seqio_cached_several')


def test_the_last_line_holds_what_is_promised(tmp_path):
  # A process of its own: SeqIO's registry and absl's flags are one a process.
  finished = subprocess.run(
    [
      sys.executable,
      '-m',
      'benchmarks.data_pipeline',
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
    ],
    cwd=_ROOT,
    env={**os.environ, 'PYTHONPATH': str(_ROOT)},
    capture_output=True,
    text=True,
    check=False,
  )
  assert finished.returncode == 0, finished.stderr[-3000:]
  lines = [json.loads(line) for line in finished.stdout.splitlines()]
  measured = [line['measurement'] for line in lines if 'measurement' in line]
  assert [m['side'] for m in measured] == [*_SIDES, *_SIDES]
  summary = lines[-1]
  for key in (
    'ratio_to_seqio_online',
    'ratio_to_seqio_cached',
    'fill',
    'seconds_to_first_batch',
    'seconds_to_seek',
    'rows_cached_per_second',
  ):
    assert summary[key] > 0, key
  # Nothing was installed for it, or it was not asked for: no figure.
  assert summary['ratio_to_hugging_face'] is None
  for name in _SIDES:
    # Whatever a side reads is an example of this project's cache.
    assert summary['sides'][name]['texts_shared'] == 1
    assert 0 < summary['sides'][name]['fill'] <= 1
    assert summary['sides'][name]['tokens_per_second']['median'] > 0
