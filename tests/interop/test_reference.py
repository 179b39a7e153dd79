"""A comparison with `transformers` passes only within rounding errors."""

import dataclasses

import pytest

from flan_jax.interop import InteropError, reference

_FINE = reference.Comparison(
  prompt='The cat',
  tokens=2,
  difference=1e-4,
  largest=10.0,
  agreed=2,
)


@pytest.mark.parametrize(
  ('changes', 'fits'),
  [({}, True), ({'difference': 1e-2}, False), ({'unlike': 'x'}, False)],
)
def test_only_equal_tokens_and_close_logits_fit(changes, fits):
  assert dataclasses.replace(_FINE, **changes).fits == fits


def test_the_table_has_a_summary():
  worse = dataclasses.replace(
    _FINE, difference=0.5, agreed=1, unlike='token 2 is …'
  )
  *rows, summary = reference.table([_FINE, worse]).splitlines()
  assert len(rows) == 4 and 'yes' in rows[1] and 'NO' in rows[2]
  assert rows[3] == "'The cat': token 2 is …"
  assert '5.0e-01' in summary and '3 of 4 positions' in summary


class _Letters:
  """A tokenizer of letters; capitals spell nothing."""

  def convert_ids_to_tokens(self, ids):
    return [chr(number) for number in ids]

  def decode(self, ids):
    return ''.join(c for c in map(chr, ids) if c.islower())


@pytest.mark.parametrize(
  ('theirs', 'ours', 'words'),
  [
    ('Bab', 'ab', "token 0 is 'B' (66) in transformers and 'a' (97) here; tra"),
    ('Bab', 'ab', 'transformers starts sequences with it: see add_bos_token'),
    ('ab', 'Bab', 'our vocabulary starts sequences with it: see add_bos'),
    ('abE', 'ab', "token 2 is 'E' (69) in transformers and no token here; tra"),
    ('aXb', 'aYb', 'both spell the same text, split in another way'),
    (
      'aib',
      'acb',
      "token 1 is 'i' (105) in transformers and 'c' (99) here; th",
    ),
  ],
)
def test_the_first_token_that_differs_is_named(theirs, ours, words):
  ids = [list(map(ord, text)) for text in (theirs, ours)]
  assert words in reference.difference(_Letters(), *ids)
  assert reference.difference(_Letters(), ids[0], ids[0]) is None


def test_prompts_are_the_lines_of_a_file(tmp_path):
  path = tmp_path / 'prompts.txt'
  path.write_text('One.\n\nTwo.\n')
  assert reference.read_prompts(str(path)) == ('One.', 'Two.')
  assert reference.read_prompts(None) == reference.PROMPTS
  path.write_bytes(b'\xff\xfe')
  with pytest.raises(InteropError, match=r'prompts\.txt cannot be read'):
    reference.read_prompts(str(path))


def test_missing_packages_are_named(monkeypatch):
  monkeypatch.setattr(reference.importlib.util, 'find_spec', lambda name: None)
  with pytest.raises(InteropError, match=r'torch, transformers.*pip install'):
    reference.check_installed()
