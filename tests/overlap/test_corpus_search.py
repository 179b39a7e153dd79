"""Planted texts are found, all of them and nothing else, by any workers."""

import random

from etils import epath
import pytest

from flan_jax.cache import beam
from flan_jax.errors import UserError
from flan_jax.overlap import corpus_blocks, corpus_files, corpus_search
from flan_jax.overlap.corpus_search import in_processes, run_task
from flan_jax.overlap.gram_index import GramIndex
from tests.overlap.corpora import sentences, write

_NAMES = ('a.txt', 'b.jsonl', 'c/d.txt.gz', 'c/e.jsonl.zst', 'c/f.jsonl.gz')
_ROWS = sentences(seed=0, count=60) + sentences(seed=1, count=40, words=6)
_PLANTED = random.Random(2).sample(range(len(_ROWS)), 25)


def _noisy(text):
  return f'“{text.upper()[:-1].replace(" ", " - ")}”!'


@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
  """Random sentences, among them 25 rows and shuffled words of the others."""
  pytest.importorskip('zstandard')
  folder = tmp_path_factory.mktemp('corpus')
  generator = random.Random(3)
  others = [row for n, row in enumerate(_ROWS) if n not in _PLANTED]
  shuffled = [
    ' '.join(generator.sample(row.split(), len(row.split()))) for row in others
  ]
  for number, name in enumerate(_NAMES):
    texts = sentences(seed=10 + number, count=200) + shuffled[number::5]
    generator.shuffle(texts)
    for row in _PLANTED[number::5]:
      texts.insert(generator.randrange(len(texts)), _noisy(_ROWS[row]))
    write(folder / name, texts)
  return folder


def _search(corpus, folder, run, n=13):
  files = corpus_files.corpus_files([str(corpus)])
  shares = corpus_files.corpus_ranges(files)
  index, place = GramIndex.of(_ROWS, n), epath.Path(folder)
  return corpus_search.search(index, shares, place, run, n)


@pytest.fixture
def small(monkeypatch):
  """Small blocks and ranges, so that there are many of them."""
  monkeypatch.setattr(corpus_blocks, '_BLOCK', 3000)
  monkeypatch.setattr(corpus_files, '_RANGE', 20_000)


def test_planted_rows_are_found_and_no_others(corpus, tmp_path, small):
  hits, _ = _search(corpus, tmp_path, in_processes(1))
  assert sorted(hits) == sorted(_PLANTED)
  for place, row in enumerate(_PLANTED):
    assert hits[row].file == str(corpus / _NAMES[place % 5])
  plain = (corpus / 'a.txt').read_bytes()
  for row in _PLANTED[::5]:
    there = plain[hits[row].offset :].decode().replace(' - ', ' ').lower()
    first, second, *_ = hits[row].words.split()
    assert there.startswith((f'{first} {second}', f'“{first} {second}'))
  assert not list(tmp_path.iterdir())


def test_processes_find_what_one_does(corpus, tmp_path, monkeypatch):
  monkeypatch.setattr(corpus_files, '_RANGE', 20_000)
  one = _search(corpus, tmp_path, in_processes(1))
  assert _search(corpus, tmp_path, in_processes(2)) == one


@pytest.mark.slow
def test_beam_finds_what_one_process_does(corpus, tmp_path, small):
  pytest.importorskip('apache_beam')
  one = _search(corpus, tmp_path, in_processes(1))
  run = beam.make_runner(['--runner=DirectRunner'], run_task)
  assert _search(corpus, tmp_path, run) == one


def test_an_interrupted_search_continues(corpus, tmp_path, small):
  whole = _search(corpus, tmp_path, in_processes(1))
  searched = []

  def interrupted(tasks, done):
    for task in tasks[:4]:
      searched.append(run_task(task))
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    _search(corpus, tmp_path, interrupted)

  def rest(tasks, done):
    for task in tasks:
      if not task.found.exists():
        searched.append(run_task(task))

  assert _search(corpus, tmp_path, rest) == whole
  assert searched == sorted(set(searched)) and len(searched) > 6


@pytest.mark.parametrize('count', [1, 2])
def test_a_mistake_in_the_corpus_is_an_error(tmp_path, count):
  write(tmp_path / 'corpus/a.txt', sentences(0, 3))
  (tmp_path / 'corpus/b.jsonl').write_text('{')
  with pytest.raises(UserError, match=r'b\.jsonl, line at byte 0'):
    _search(tmp_path / 'corpus', tmp_path, in_processes(count))


def test_a_remote_corpus_is_searched(corpus, bucket):
  for name in _NAMES:
    file = epath.Path(bucket) / 'corpus' / name
    file.write_bytes((corpus / name).read_bytes())
  names = [f'{bucket}/corpus/*.txt', f'{bucket}/corpus/c']
  shares = corpus_files.corpus_ranges(corpus_files.corpus_files(names))
  index, place = GramIndex.of(_ROWS, 13), epath.Path(bucket) / 'out'
  hits, _ = corpus_search.search(index, shares, place, in_processes(1), 13)
  assert set(hits) == set(_PLANTED) - set(_PLANTED[1::5])
  assert {hit.file for hit in hits.values()} == {
    f'{bucket}/corpus/{name}' for name in _NAMES if name != 'b.jsonl'
  }
