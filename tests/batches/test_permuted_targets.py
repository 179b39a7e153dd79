"""Permuted targets keep prompts and the targets of every template."""

import collections

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.permuted_targets import PermutedTargets, target_sources
from flan_jax.batches.sampler import Sampler, rendering_sizes
from flan_jax.batches.training_splits import training_splits
from flan_jax.batches.window import WindowStart
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import names, registry
from flan_jax.testing.cached_splits import named_split, write_cached_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

_FRAMING = Framing(start=(2,), separator=(1, 3), end=(1,), between=(1,))
_PACKING = PackingConfig(batch_rows=4, pack_length=128, max_segments=16)


@pytest.fixture(scope='module')
def split(tmp_path_factory):
  generator = np.random.default_rng(0)
  count = 600
  return write_cached_split(
    tmp_path_factory.mktemp('split') / 'a',
    'a',
    generator.integers(3, 40, count),
    generator.integers(1, 12, count),
    per_row=np.full(200, 3),
    cut=generator.random(count) < 0.2,
    shards=2,
  )


@pytest.fixture(scope='module')
def mini_splits(mini_data, tmp_path_factory):
  lengths = {'inputs': 640, 'targets': 64}
  config = CacheConfig(
    str(tmp_path_factory.mktemp('cache')), mini_data, lengths
  )
  # Fixed classes, some templates for one of them only; options; directions.
  keys = [named_split(p, 'train') for p in ('rte', 'copa', 'wmt14_enfr')]
  vocabulary = load_vocabulary('mini')
  return make_cached_splits(keys, config, vocabulary, log=lambda line: None)


def _targets(split):
  """Returns template -> its targets with their ends, counted."""
  found = collections.defaultdict(collections.Counter)
  for index, template in enumerate(split.renderings['template'].tolist()):
    target = np.concatenate(split.target_parts(index, _FRAMING)).tolist()
    found[template][tuple(target)] += 1
  return found


def _check(split, view):
  assert _targets(view) == _targets(split)
  rows, templates = split.renderings['row'], split.renderings['template']
  assert (templates[view.sources] == templates).all()
  assert (rows[view.sources] != rows).all()
  for index in range(len(rows)):
    assert view.prompt(index, _FRAMING) == split.prompt(index, _FRAMING)


def test_prompts_and_the_targets_of_each_template_are_kept(split):
  view = PermutedTargets(split, seed=0)
  _check(split, view)
  changed = [
    not np.array_equal(
      np.concatenate(view.example_parts(index, _FRAMING)),
      np.concatenate(split.example_parts(index, _FRAMING)),
    )
    for index in range(len(split.renderings))
  ]
  assert all(changed)  # Tokens are random, so that targets differ.


def test_targets_of_real_templates_are_kept(mini_splits):
  for split in mini_splits:
    _check(split, PermutedTargets(split, seed=0))


def test_rows_ids_and_order_are_those_of_the_split(split):
  view = PermutedTargets(split, seed=0)
  assert view.rows == split.rows and view.name == split.name
  assert (view.renderings == split.renderings).all()
  draws = [Sampler([s], _FRAMING, seed=0).draws(3) for s in (split, view)]
  assert (draws[0].rendering == draws[1].rendering).all()


def test_lengths_are_those_of_the_examples(split):
  view = PermutedTargets(split, seed=0)
  lengths, targets = rendering_sizes(view, _FRAMING)
  for index in range(len(lengths)):
    example = np.concatenate(view.example_parts(index, _FRAMING))
    prompt = view.prompt(index, _FRAMING)
    assert len(example) == lengths[index] + 1 == len(prompt) + targets[index]
  assert (lengths != rendering_sizes(split, _FRAMING)[0]).any()


def test_seed_and_view_are_in_the_digests(split):
  views = [split, *(PermutedTargets(split, seed) for seed in (0, 1))]
  plans = [BatchPlan(Sampler([s], _FRAMING, 0), _PACKING) for s in views]
  assert len({view.digest for view in views}) == 3
  assert len({plan.data_order_digest for plan in plans}) == 3
  again = PermutedTargets(split, seed=1)
  assert again.digest == views[2].digest
  assert (again.sources == views[2].sources).all()
  assert (views[1].sources != views[2].sources).any()


def test_a_resumed_run_reads_the_same_batches(split):
  def plan():
    view = PermutedTargets(split, seed=0)
    return BatchPlan(Sampler([view], _FRAMING, 0), _PACKING)

  whole, resumed = plan(), plan()
  steps = whole.windows.find(0)[0].rows // whole.batch_rows
  whole.batch(steps + 1)
  resumed.windows.start_at(WindowStart(1, steps))
  for name, array in resumed.batch(steps + 1).items():
    assert np.array_equal(array, whole.batch(steps + 1)[name]), name


def test_few_shot_prompts_are_kept(split):
  few = FewShotSplit(split, split, 2, 0, _FRAMING)
  view = PermutedTargets(few, seed=0)
  lengths, _ = rendering_sizes(view, _FRAMING)
  shown = 0
  for index in range(0, len(lengths), 7):
    assert view.prompt(index, _FRAMING) == few.prompt(index, _FRAMING)
    example = np.concatenate(view.example_parts(index, _FRAMING))
    assert len(example) == lengths[index] + 1
    shown += len(few.exemplars(index))
  assert shown
  assert view.digest != PermutedTargets(split, seed=0).digest


def test_training_splits_are_permuted_if_asked(mini_splits):
  class Store:
    framing = _FRAMING

    def available(self, members, name):
      del name
      return members

    def find(self, key):
      del key
      return mini_splits[0]

  plan = names.resolve('rte')
  for asked in (False, True):
    (found,) = training_splits(Store(), plan, 0, permute_targets=asked)
    assert isinstance(found, PermutedTargets) == asked


def test_only_training_targets_are_permuted(split, monkeypatch):
  monkeypatch.setitem(split.manifest, 'split', 'test')
  with pytest.raises(ValueError, match='only training targets'):
    PermutedTargets(split, seed=0)


@given(st.lists(st.integers(0, 3), max_size=60), st.text(max_size=3))
def test_sources_are_one_cycle_in_each_template(templates, name):
  templates = np.array(templates, np.int16)
  sources = target_sources(templates, name)
  for template in np.unique(templates):
    members = np.flatnonzero(templates == template)
    seen, place = [], members[0]
    while place not in seen:
      seen.append(place)
      place = sources[place]
    assert sorted(seen) == members.tolist()
