"""Text of cached examples: the order of draws, and lossless vocabularies."""

import numpy as np
import pytest

from flan_jax.batches.sampler import Sampler
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.interop.rendered_rows import check_lossless, mixed_draws
from flan_jax.testing.cached_splits import write_cached_split
from flan_jax.vocabulary.base import VocabularyError
from flan_jax.vocabulary.load import load_vocabulary


@pytest.fixture
def sampler(tmp_path, monkeypatch):
  monkeypatch.setattr('flan_jax.batches.sampler.WINDOW_DRAWS', 24)
  splits = [
    write_cached_split(tmp_path / name, name, np.full(n, 4), np.full(n, 2))
    for name, n in (('one', 3), ('two', 5))
  ]
  framing = Framing.of(CacheConfig(str(tmp_path)), load_vocabulary('mini'))
  return Sampler(splits, framing, seed=0)


def test_epochs_of_a_window_have_its_draws(sampler):
  epochs = mixed_draws(sampler)
  found = [next(epochs) for _ in range(sampler.epochs_per_window)]
  for draws in found:
    assert np.bincount(draws.split).tolist() == [3, 5]
  whole = sampler.draws(0)
  for number in (0, 1):
    drawn = [d.rendering[d.split == number] for d in found]
    wanted = whole.rendering[whole.split == number]
    assert sorted(np.concatenate(drawn)) == sorted(wanted)
  # The first row of the next window.
  assert len(next(epochs).split) == 8


def test_a_vocabulary_that_loses_text_is_refused(monkeypatch):
  vocabulary = load_vocabulary('mini')
  decode = type(vocabulary).decode
  monkeypatch.setattr(
    type(vocabulary),
    'decode',
    lambda self, ids: decode(self, ids).replace('\n', ' '),
  )
  with pytest.raises(VocabularyError, match='does not keep line breaks'):
    check_lossless(vocabulary)
