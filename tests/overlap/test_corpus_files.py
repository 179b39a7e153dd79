"""Files, folders and patterns; and how they are divided."""

from etils import epath
import pytest

from flan_jax.errors import ConfigError
from flan_jax.overlap import corpus_files
from flan_jax.overlap.corpus_files import CorpusRange


@pytest.fixture
def folder(tmp_path, monkeypatch):
  for name in ('a.txt', 'b.jsonl', 'sub/c.txt.gz', '.hidden', '_SUCCESS'):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b'12345678')
  monkeypatch.chdir(tmp_path)
  return tmp_path


def found(*names):
  return [str(path) for path in corpus_files.corpus_files(names)]


def test_names_stand_for_files(folder):
  assert found('a.txt') == ['a.txt']
  everything = [f'{folder}/{n}' for n in ('a.txt', 'b.jsonl', 'sub/c.txt.gz')]
  assert found(str(folder)) == everything
  assert found(f'{folder}/*.txt') == everything[:1]
  assert found('*/*.gz') == ['sub/c.txt.gz']
  assert found(f'{folder}/?.*', f'{folder}/a.txt') == everything[:2]


@pytest.mark.parametrize('name', ['d.txt', '*.zip', 'none/*', 'empty'])
def test_a_name_of_nothing_is_an_error(folder, name):
  (folder / 'empty').mkdir()
  with pytest.raises(ConfigError, match='--corpus='):
    found('a.txt', name)


def test_large_files_are_divided_and_small_ones_share(folder, monkeypatch):
  monkeypatch.setattr(corpus_files, '_RANGE', 5)
  (folder / 'd.txt').write_bytes(b'1')
  files = [epath.Path(n) for n in ('a.txt', 'd.txt', 'sub/c.txt.gz')]
  shares = corpus_files.corpus_ranges(files)
  assert shares == [
    [CorpusRange('a.txt', 0, 5, 5)],
    [CorpusRange('a.txt', 5, 8, 3), CorpusRange('d.txt', 0, 1, 1)],
    [CorpusRange('sub/c.txt.gz', 0, None, 8)],
  ]
  assert [s[0].compression for s in shares] == ['', '', '.gz']


def test_the_name_tells_the_form():
  forms = {
    'a.jsonl': True,
    'a.json.gz': True,
    'a.ndjson.zst': True,
    'a.txt.zst': False,
    'a': False,
  }
  for name, is_json in forms.items():
    assert CorpusRange(name, 0, None, 0).is_json == is_json
