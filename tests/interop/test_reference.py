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
  same_tokens=True,
)


@pytest.mark.parametrize(
  ('changes', 'fits'),
  [({}, True), ({'difference': 1e-2}, False), ({'same_tokens': False}, False)],
)
def test_only_equal_tokens_and_close_logits_fit(changes, fits):
  assert dataclasses.replace(_FINE, **changes).fits == fits


def test_the_table_has_a_summary():
  worse = dataclasses.replace(
    _FINE, difference=0.5, agreed=1, same_tokens=False
  )
  *rows, summary = reference.table([_FINE, worse]).splitlines()
  assert len(rows) == 3 and 'yes' in rows[1] and 'NO' in rows[2]
  assert '5.0e-01' in summary and '3 of 4 positions' in summary


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
