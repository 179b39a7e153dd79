"""Damage of a recorded file is noticed; files without a record are taken."""

import json

import pytest

from flan_jax.runtime import recorded_files
from flan_jax.runtime.recorded_files import DIGESTS, DamagedFileError


@pytest.fixture
def folder(tmp_path):
  recorded_files.write(tmp_path, {'a.json': '{"é": 1}', 'b.txt': 'words'})
  return tmp_path


def test_every_flipped_bit_is_noticed(folder):
  recorded_files.check(folder, 'a.json', 'b.txt', 'other')
  for name in ('a.json', DIGESTS):
    whole = (folder / name).read_bytes()
    for place in range(len(whole)):
      flipped = bytearray(whole)
      flipped[place] ^= 1 << place % 8
      (folder / name).write_bytes(flipped)
      # A break of a line more or less in it is no damage.
      if name == DIGESTS and _contents(flipped) == _contents(whole):
        continue
      with pytest.raises(DamagedFileError, match=r'a.json .*make it again, or'):
        recorded_files.check(folder, 'a.json')
    (folder / name).write_bytes(whole)


def _contents(data):
  try:
    return json.loads(data)
  except ValueError:
    return None


def test_a_file_that_grows_is_compared_up_to_its_recorded_size(folder):
  with (folder / 'b.txt').open('a') as file:
    file.write(' and more')
  assert recorded_files.problem(folder, 'b.txt') is None
  (folder / 'b.txt').write_text('word')
  assert recorded_files.problem(folder, 'b.txt') == 'is not as it was written'


def test_a_file_that_is_missing_is_told(folder, capsys):
  (folder / 'b.txt').unlink()
  assert recorded_files.present(folder, ['a.json', 'b.txt', 'c']) == {'a.json'}
  assert 'b.txt is missing: going on without it' in capsys.readouterr().err
  with pytest.raises(DamagedFileError, match=r'b.txt is missing'):
    recorded_files.check(folder, 'b.txt')
  # One that is removed by its writer is not.
  recorded_files.write(folder, {'a.json': None})
  assert not (folder / 'a.json').exists()
  assert recorded_files.problem(folder, 'a.json') is None


def test_without_digests_files_are_taken_as_they_are(folder):
  (folder / 'a.json').write_text('other')
  (folder / DIGESTS).unlink()
  recorded_files.check(folder, 'a.json')
  # A damaged list is made anew with the next file.
  (folder / DIGESTS).write_text('{')
  recorded_files.write(folder, {'b.txt': 'new'})
  recorded_files.check(folder, 'a.json', 'b.txt')
