"""What people are told of the data is what the batches hold."""

from types import SimpleNamespace

import numpy as np
import pytest

from flan_jax.batches.drawn import drawn
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.permuted_targets import PermutedTargets
from flan_jax.batches.sampler import Sampler
from flan_jax.cache.framing import Framing
from flan_jax.testing.cached_splits import write_cached_split
from flan_jax.vocabulary.load import load_vocabulary

_FRAMING = Framing(start=(), separator=(1,), end=(1,), between=(1,))
# Tokens are drawn at random; in this order, what is shown is whole characters.
_PACKING = PackingConfig(batch_rows=4, pack_length=200, target_budget=264)
_RATES = (100, 300)


@pytest.fixture(scope='module')
def splits(tmp_path_factory):
  """Two splits of different clusters; every fifth target is cut."""
  folder = tmp_path_factory.mktemp('cache')
  made = []
  for index, cluster in enumerate(('nli', 'sentiment')):
    number = np.arange(400)
    split = write_cached_split(
      folder / f'{index}',
      f'part{index}',
      inputs=5 + number % 70,
      targets=1 + number % (3 + 6 * index),
      cut=number % 5 == 3,
      seed=index,
      lengths={'inputs': 100, 'targets': 20},
    )
    split.part = SimpleNamespace(cluster=cluster)
    made.append(split)
  return made


def _plan(splits, framing=_FRAMING) -> BatchPlan:
  return BatchPlan(Sampler(splits, framing, seed=0, rates=_RATES), _PACKING)


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


def test_the_counts_are_those_of_the_batches(splits, vocabulary):
  plan = _plan(splits)
  found = drawn(plan, 7, vocabulary)
  batches = [plan.batch(step) for step in range(7)]
  examples = sum(b['segments'].max(axis=1).sum() for b in batches)
  used = sum((b['segments'] > 0).sum() for b in batches)
  predicted = sum(b['target_weights'].sum() for b in batches)
  by_cluster = found['clusters'].values()
  assert sum(c['drawn_examples'] for c in by_cluster) == examples
  assert sum(c['drawn_tokens'] for c in by_cluster) == used
  assert found['steps'] == 7
  assert found['fill'] == pytest.approx(used / (7 * 4 * 200))
  assert found['cut']['of'] == examples
  # Each example has one token more than places.
  lengths = plan.windows.find(0)[0].draws
  shown = slice(0, int(examples))
  assert lengths.targets[shown].sum() == predicted
  for name, values in (
    ('input_lengths', (lengths.length - lengths.targets + 1)[shown]),
    ('target_lengths', lengths.targets[shown]),
  ):
    edges, counts = found[name]['edges'], found[name]['counts']
    assert edges[0] <= values.min() and values.max() <= edges[-1]
    assert len(edges) == len(counts) + 1 and sum(counts) == examples
    assert counts[0] == ((values >= edges[0]) & (values < edges[1])).sum()


def test_planned_rates_are_shares_of_the_mixture(splits, vocabulary):
  clusters = drawn(_plan(splits), 10_000, vocabulary)['clusters']
  assert {n: c['planned_rate'] for n, c in clusters.items()} == {
    'nli': 0.25,
    'sentiment': 0.75,
  }
  # A whole window draws exactly by these rates.
  counts = [c['drawn_examples'] for c in clusters.values()]
  assert counts[0] * 3 == counts[1]


def test_steps_beyond_the_first_window_are_not_counted(splits, vocabulary):
  plan = _plan(splits)
  window, _ = plan.windows.find(0)
  found = drawn(plan, 10**6, vocabulary)
  assert found['steps'] == window.rows // 4
  assert found['cut']['of'] == len(window.draws.split)
  # Every fifth target is cut, those of permuted targets as often.
  share = found['cut']['targets'] / found['cut']['of']
  assert share == pytest.approx(0.2, abs=0.02)
  assert found['cut']['inputs'] == 0


def test_targets_of_other_rows_are_cut_where_those_are(splits):
  permuted = PermutedTargets(splits[0], seed=0)
  ends = len(_FRAMING.end) * (1 - permuted.targets_cut.astype(int))
  lengths = permuted.target_lengths(_FRAMING)
  own = splits[0].span_lengths[splits[0].renderings['first'] + 1]
  np.testing.assert_array_equal(lengths, own[permuted.sources] + ends)


@pytest.mark.parametrize('framing', [_FRAMING, _FRAMING.after((-1, -2))])
def test_targets_alone_have_weight_in_the_loss(splits, vocabulary, framing):
  plan = _plan(splits, framing)
  examples = drawn(plan, 1, vocabulary)['loss_example']
  assert sorted(e['part'] for e in examples) == ['part0', 'part1']
  draws, _ = plan.windows.find(0)[0].read(np.arange(4))
  for example in examples:
    number = int(example['part'][-1])
    of_part = np.flatnonzero(draws.split == number)
    shortest = of_part[np.argmin(draws.length[of_part])]
    parts = splits[number].example_parts(draws.rendering[shortest], framing)
    ids = np.concatenate(parts).tolist()
    targets = int(draws.targets[shortest])
    weights = [piece['weight'] for piece in example['pieces']]
    assert weights == [0] * (len(ids) - targets) + [1] * targets
    texts = [piece['text'] for piece in example['pieces']]
    vectors = len(framing.start)
    assert texts[:vectors] == ['[vector]'] * vectors
    assert ''.join(texts[vectors:]) == vocabulary.decode_markup(ids[vectors:])
