"""Rows are divided by the seed, by groups, and with classes in turns."""

import numpy as np
import pytest

from flan_jax.batches.chosen_rows import divide
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler, rendering_sizes
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

# Inverted templates and classes; passages that rows share; free text.
_PARTS = ('rte', 'multirc', 'natural_questions')
_FRAMING = Framing(start=(-1, -2), separator=(1,), end=(1,), between=(1,))


@pytest.fixture(scope='module')
def splits(mini_data, shared_cache):
  config = CacheConfig(
    str(shared_cache), mini_data, {'inputs': 640, 'targets': 64}
  )
  keys = [named_split(part, 'train') for part in _PARTS]
  made = make_cached_splits(
    keys, config, load_vocabulary('mini'), log=lambda line: None
  )
  return {split.name: split for split in made}


@pytest.mark.slow
@pytest.mark.parametrize('part', _PARTS)
def test_rows_held_apart_share_no_group_with_training_rows(splits, part):
  whole = splits[part]
  found = divide(whole, None, 4, seed=0)
  assert found.held_apart.num_rows == 4
  groups = [
    {row['group'] for row in view.rows}
    for view in (found.train, found.held_apart)
  ]
  assert not groups[0] & groups[1]
  every = {row['group'] for row in whole.rows}
  # All other groups train.
  assert groups[0] == every - groups[1]


@pytest.mark.slow_but_first
@pytest.mark.parametrize('part', _PARTS)
def test_a_view_has_the_examples_of_its_rows_under_ordinary_templates(
  splits, part
):
  whole = splits[part]
  view = divide(whole, 5, 4, seed=1).train
  inverted = [template.inverted for template in whole.part.templates]
  assert view.num_rows == 5 and len(view.row_start) == 6
  ids = [row['id'] for row in whole.rows]
  wanted = [
    (ids[rendering['row']], int(rendering['template']), index)
    for index, rendering in enumerate(whole.renderings)
    if ids[rendering['row']] in {row['id'] for row in view.rows}
    and not inverted[rendering['template']]
  ]
  assert len(wanted) == len(view.renderings)
  for index, (rendering, (name, template, source)) in enumerate(
    zip(view.renderings, wanted, strict=True)
  ):
    assert view.rows[rendering['row']]['id'] == name
    assert rendering['template'] == template
    np.testing.assert_array_equal(
      np.concatenate(view.example_parts(index, _FRAMING)),
      np.concatenate(whole.example_parts(source, _FRAMING)),
    )
    # The prompt's places count.
    assert view.example_parts(index, _FRAMING)[0].tolist() == [-1, -2]
    length, targets = (x[index] for x in rendering_sizes(view, _FRAMING))
    parts = np.concatenate(view.example_parts(index, _FRAMING))
    assert length == len(parts) - 1 and 0 < targets < len(parts)


def test_classes_take_turns(splits):
  view = divide(splits['rte'], 6, 4, seed=3)
  for rows in (view.train.rows, view.held_apart.rows):
    counts = np.bincount([row['class'] for row in rows])
    assert counts.max() - counts.min() <= 1 and len(counts) == 2


def test_every_packed_example_starts_with_the_prompt_and_predicts_text(splits):
  view = divide(splits['rte'], 6, 4, seed=0).train
  sampler = Sampler([view], _FRAMING, seed=0)
  plan = BatchPlan(sampler, PackingConfig(batch_rows=2, pack_length=1024))
  batch = plan.batch(0)
  tokens, positions = batch['tokens'], batch['positions']
  real = batch['segments'] > 0
  for place, number in enumerate(_FRAMING.start[:2]):
    np.testing.assert_array_equal(tokens == number, real & (positions == place))
  starts = np.sum(real & (positions == 0))
  assert starts > 4 and np.sum(tokens < 0) == 2 * starts
  predicted = batch['target_weights'] > 0
  assert (batch['target_labels'][predicted] >= 0).all()
  sources = np.take_along_axis(tokens, batch['target_positions'], axis=1)
  assert (sources[predicted] >= 0).all()


def test_the_seed_decides(splits):
  def ids(seed):
    view = divide(splits['rte'], 6, 4, seed).train
    return [row['id'] for row in view.rows], view.digest

  assert ids(0) == ids(0)
  assert ids(0)[0] != ids(1)[0] and ids(0)[1] != ids(1)[1]


def test_too_few_rows_are_an_error(splits):
  with pytest.raises(ConfigError, match='PROMPT_DEV_ROWS'):
    divide(splits['rte'], None, 10_000, seed=0)
  with pytest.raises(ConfigError, match=r'10000 of other .*PROMPT_TRAIN_ROWS'):
    divide(splits['rte'], 10_000, 4, seed=0)
