"""Both sides cache the same texts."""

import contextlib
import json

import pytest

pytest.importorskip('apache_beam')
pytest.importorskip('google_crc32c')

from benchmarks.cache import __main__ as main
from benchmarks.cache.own import OwnSide
from benchmarks.cache.seqio_pipeline import SeqioSide
from benchmarks.data_pipeline import corpus
from tests.benchmarks.running import SideHere, check_out


@pytest.mark.slow
@pytest.mark.usefixtures('own_registry')
def test_both_sides_cache_the_same_texts(monkeypatch, capsys, tmp_path):
  make_corpus, made = corpus.make_corpus, []

  def made_once(*arguments):
    # Each process registers the mixture; here, all are one.
    made[:] = made or [make_corpus(*arguments)]
    return made[0]

  @contextlib.contextmanager
  def started(modules, task):
    sides = dict(zip(modules, (OwnSide, SeqioSide), strict=True))
    yield {
      name: SideHere(make({**task, 'side': name}))
      for name, make in sides.items()
    }

  monkeypatch.setattr(corpus, 'make_corpus', made_once)
  monkeypatch.setattr(main, 'started', started)
  main.main(
    [
      *('--datasets=sst2', '--rows=30', '--rounds=1'),
      f'--work_dir={tmp_path}',
      f'--out={tmp_path / "out.json"}',
    ]
  )
  *lines, summary = map(json.loads, capsys.readouterr().out.splitlines())
  check_out(tmp_path / 'out.json', summary)
  assert summary['same_texts'] and summary['failed'] == {}
  assert summary['renderings'] >= 30
  assert summary['ratio_to_seqio_per_core'] > 0
  turns = [line['turn']['side'] for line in lines if 'turn' in line]
  assert turns == ['flan_jax', 'seqio']
