"""Blocks hold every window of a file, wherever they and ranges end."""

import json
import re
import sys

from etils import epath
from hypothesis import assume, example, given
from hypothesis import strategies as st
import pytest

from flan_jax.errors import UserError
from flan_jax.overlap import compressed_files, corpus_blocks, corpus_files
from flan_jax.overlap.corpus_blocks import read_blocks
from flan_jax.overlap.folding import fold, fold_text
from flan_jax.overlap.gram_index import Match
from flan_jax.overlap.word_hashes import words_of
from tests.overlap.corpora import sentences, write

_N = 4
_FORMS = ('t.txt', 't.jsonl', 't.txt.gz', 't.jsonl.gz', 't.txt.zst')


def windows(folded):
  words = folded.split()
  return {tuple(words[i : i + _N]) for i in range(len(words) - _N + 1)}


def ranges(path):
  shares = corpus_files.corpus_ranges([epath.Path(path)])
  return [one for share in shares for one in share]


def blocks_of(path, key='text'):
  return [b for one in ranges(path) for b in read_blocks(one, _N, key)]


@pytest.mark.parametrize('name', _FORMS)
@pytest.mark.parametrize('block, share', [(64, 1000), (200, 300), (9999, 9999)])
def test_every_window_is_in_a_block(tmp_path, monkeypatch, name, block, share):
  monkeypatch.setattr(corpus_blocks, '_BLOCK', block)
  monkeypatch.setattr(corpus_files, '_RANGE', share)
  texts = sentences(0, 30, words=9)
  found = blocks_of(write(tmp_path / name, texts))
  wanted = [' '.join(texts)] if 'jsonl' not in name else texts
  expected = set().union(*(windows(fold_text(text)) for text in wanted))
  got = set().union(*(windows(fold(block.text)) for block in found))
  assert {w for w in got if b'\0' not in w} == expected
  assert len(found) > 1 or block == 9999
  # Every byte of the texts counts once.
  size = len(('' if 'jsonl' in name else '\n').join(texts).encode())
  assert sum(block.size for block in found) == size


@example([*('a' * 5), 'bc', 'bc', *['ö '] * 3, *'………', ' ', 'ö ', *'aa '])
@given(st.lists(st.sampled_from(['a', 'bc', '-', ' ', '\n', 'ö ', '…', 'def'])))
def test_ranges_of_any_text_hold_its_windows(tmp_path_factory, pieces):
  path = tmp_path_factory.mktemp('corpus') / 'a.txt'
  text = ''.join(pieces)
  # A window of more than half a block may be divided.
  words = re.finditer(rb'\S*\w\S*', text.encode())
  starts = [*(word.start() for word in words), len(text.encode())]
  assume(all(b - a <= 32 for a, b in zip(starts, starts[3:], strict=False)))
  path.write_text(text)
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(corpus_blocks, '_BLOCK', 64)
    patch.setattr(corpus_files, '_RANGE', 5)
    got = set().union(*(windows(fold(b.text)) for b in blocks_of(path)))
  assert got == windows(fold_text(text))


@pytest.mark.parametrize('name', _FORMS)
def test_places_lead_to_the_words(tmp_path, monkeypatch, name):
  monkeypatch.setattr(corpus_blocks, '_BLOCK', 300)
  path = write(tmp_path / name, [f'{text} --' for text in sentences(1, 20)])
  for one in ranges(path):
    with compressed_files.open_range(one) as file:
      content = file.read()
    for block in read_blocks(one, _N, 'text'):
      folded = fold(block.text)
      starts = words_of(folded).starts.tolist()
      pairs = zip(starts, folded.split(), strict=True)
      for number, (start, word) in enumerate(pairs):
        match = Match(0, number, start, '')
        there = content[block.place(folded, match) :].partition(b'\n')[0]
        if one.is_json:
          there = json.loads(there)['text'].encode()
          assert word == b'\0' or word in fold(there).split()
        else:
          assert fold(there).split()[0] == word


def test_a_long_document_of_a_line_is_divided(tmp_path, monkeypatch):
  monkeypatch.setattr(corpus_blocks, '_BLOCK', 300)
  texts = ['short', ' '.join(sentences(2, 30)), 'short again']
  path = write(tmp_path / 'a.jsonl', texts)
  found = blocks_of(path)
  assert max(len(block.text) for block in found) < 1000
  second = path.read_bytes().index(b'\n') + 1
  assert {block.lines[0] for block in found[:-1]} == {second}
  got = set().union(*(windows(fold(block.text)) for block in found))
  assert got >= windows(fold_text(texts[1]))


def test_memory_stays_bounded_without_spaces(tmp_path, monkeypatch):
  monkeypatch.setattr(corpus_blocks, '_BLOCK', 64)
  for content in ('x' * 5000, '- ' * 5000, ' ' * 5000, 'x ' + 'y' * 5000):
    (tmp_path / 'a.txt').write_text(content)
    found = blocks_of(tmp_path / 'a.txt')
    assert max(len(block.text) for block in found) <= 4 * 64


def test_empty_lines_and_other_keys(tmp_path):
  path = tmp_path / 'a.jsonl'
  path.write_text('{"body": "One."}\n\n{"body": "Two\\u0000 \\ud800"}')
  (block,) = blocks_of(path, 'body')
  assert fold(block.text).split() == [b'one', b'\0', b'\0', b'two', b'\0']


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('a.parquet', b'PAR1\0\0', 'a.parquet is binary'),
    ('a.jsonl', b'{"text": "x"}\n{"tex', r'line at byte 14 is not JSON'),
    ('a.jsonl', b'\n{"body": 1, "id": 2}', r"no text 'text'; it has body, id"),
    ('a.jsonl', b'[1]', 'it has list'),
    ('a.jsonl', b'{"text": null}', '--text_key'),
    ('a.txt.gz', b'no gzip', 'a.txt.gz is damaged'),
    ('a.txt.zst', b'no zstd', 'a.txt.zst is damaged'),
  ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, message):
  if name.endswith('zst'):
    pytest.importorskip('zstandard')
  (tmp_path / name).write_bytes(content)
  with pytest.raises(UserError, match=message):
    blocks_of(tmp_path / name)


@pytest.mark.parametrize('name', ['a.txt.gz', 'a.jsonl.zst'])
def test_a_file_that_was_cut_off_is_damaged(tmp_path, name):
  path = write(tmp_path / name, sentences(3, 500))
  path.write_bytes(path.read_bytes()[:-20])
  with pytest.raises(UserError, match=f'{name} is damaged'):
    blocks_of(path)


def test_zstandard_is_named_where_it_is_missing(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'zstandard', None)
  (tmp_path / 'a.txt.zst').write_bytes(b'any')
  with pytest.raises(UserError, match=r"pip install '\.\[zstd\]'"):
    blocks_of(tmp_path / 'a.txt.zst')
