"""Few-shot examples concatenate zero-shot ones."""

import copy
import dataclasses

import numpy as np
import pytest
import seqio

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.sampler import Sampler, rendering_sizes
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.store import split_keys
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.definitions.names import resolve
from flan_jax.rendering import seqio_tasks
from flan_jax.rendering.exemplars import SHARED, most_tokens
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

_LENGTHS = {'inputs': 640, 'targets': 64}
# Several rows share a passage; answers are options; answers are free text.
_PARTS = ('anli_r1', 'multirc', 'natural_questions')


@pytest.fixture(scope='module')
def vocabulary():
  return load_vocabulary('mini')


@pytest.fixture(scope='module')
def config(mini_data, tmp_path_factory):
  root = tmp_path_factory.mktemp('cache')
  return CacheConfig(str(root), mini_data, _LENGTHS)


@pytest.fixture(scope='module')
def splits(config, vocabulary):
  keys = [named_split(p, r) for p in _PARTS for r in ('train', 'test')]
  made = make_cached_splits(keys, config, vocabulary, log=lambda line: None)
  return {(split.name, split.manifest['split']): split for split in made}


def _view(splits, part, split, framing, shots=5, seed=0):
  return FewShotSplit(
    splits[part, split], splits[part, 'train'], shots, seed, framing
  )


@pytest.mark.slow_but_first
@pytest.mark.parametrize('part', _PARTS)
@pytest.mark.parametrize('split', ['train', 'test'])
def test_prompt_is_exemplars_of_its_template_and_the_query(
  splits, config, vocabulary, part, split
):
  framing = Framing.of(config, vocabulary)
  view = _view(splits, part, split, framing)
  pool = view.pool
  lengths = view.prompt_lengths(framing)
  shown = set()
  for index, rendering in enumerate(view.renderings):
    prompt = view.prompt(index, framing)
    assert len(prompt) == lengths[index]
    wanted = []
    row = view.rows[rendering['row']]
    for member in view.exemplars(index):
      exemplar = pool.renderings[member]
      assert exemplar['template'] == rendering['template']
      assert pool.rows[exemplar['row']]['group'] != row['group']
      inputs, targets = pool.spans(exemplar)
      wanted += [*inputs.tolist(), 1, *targets.tolist(), 1]
    wanted += [*view.span(int(rendering['first'])).tolist(), 1]
    assert prompt == wanted
    if view.exemplars(index).size:
      assert len(prompt) <= most_tokens(_LENGTHS)
    shown.add(len(view.exemplars(index)))
    assert view.exemplar_counts[index] == len(view.exemplars(index))
  assert max(shown) > 1
  if part != 'natural_questions':
    assert len(shown) > 1  # Some exemplars were dropped.


def test_exemplars_are_dropped_from_the_end(splits, config, vocabulary):
  framing = Framing.of(config, vocabulary)
  many = _view(splits, 'natural_questions', 'test', framing, shots=16)
  few = _view(splits, 'natural_questions', 'test', framing, shots=2)
  for index in range(len(few.renderings)):
    kept = many.exemplars(index)
    assert (kept[:2] == few.exemplars(index)[: len(kept[:2])]).all()


def test_lengths_of_training_examples_include_exemplars(
  splits, config, vocabulary
):
  framing = Framing.of(config, vocabulary)
  plain = splits['anli_r1', 'train']
  view = _view(splits, 'anli_r1', 'train', framing)
  lengths, targets = rendering_sizes(view, framing)
  zero, zero_targets = rendering_sizes(plain, framing)
  assert (targets == zero_targets).all() and (lengths >= zero).all()
  assert lengths.sum() > 2 * zero.sum()
  for index in range(0, len(lengths), 7):
    joined = np.concatenate(view.example_parts(index, framing))
    assert len(joined) == lengths[index] + 1
    prompt = joined[: -targets[index]].tolist()
    assert prompt == view.prompt(index, framing)
  # The same rows in the same order as without exemplars.
  draws = [Sampler([u], framing, 0).draws(0).rendering for u in (plain, view)]
  assert (draws[0] == draws[1]).all()
  other = _view(splits, 'anli_r1', 'train', framing, seed=1)
  assert len({plain.digest, view.digest, other.digest}) == 3


@pytest.mark.parametrize('part', ['anli_r1', 'multirc'])
def test_shared_exemplars_are_those_of_all_rows(
  splits, config, vocabulary, part
):
  framing = Framing.of(config, vocabulary)

  def view(split, seed=0):
    about = splits[part, split], splits[part, 'train'], 3, seed, framing
    return FewShotSplit(*about, kind=SHARED)

  test, own = view('test'), _view(splits, part, 'test', framing, shots=3)
  assert test.digest != own.digest
  assert test.digest == view('test').digest != view('test', seed=1).digest
  for template in np.unique(test.renderings['template']):
    members = np.flatnonzero(test.renderings['template'] == template)
    shown = [tuple(test.exemplars(index)) for index in members]
    longest = max(shown, key=len)
    # Of a prompt that is too long, some are missing at the end.
    assert all(one == longest[: len(one)] for one in shown)
    ids = [test.pool.rows[test.pool.renderings[m]['row']] for m in longest]
    groups = {row['group'] for row in test.rows}
    assert not groups & {row['group'] for row in ids}
  # Training rows pass over their own group.
  train = view('train')
  for index, rendering in enumerate(train.renderings):
    group = train.rows[rendering['row']]['group']
    about = train.pool.renderings[train.exemplars(index)]['row']
    assert group not in {train.pool.rows[row]['group'] for row in about}


def test_exemplar_separator_is_configurable(splits, config, vocabulary):
  config = dataclasses.replace(config, exemplar_separator='\n\n')
  framing = Framing.of(config, vocabulary)
  view = _view(splits, 'natural_questions', 'test', framing, shots=1)
  index = next(i for i in range(9) if view.exemplars(i).size)
  prompt = view.prompt(index, framing)
  assert prompt.count(vocabulary.eos_id) == 2
  assert '\n\n' in vocabulary.decode(prompt)


@pytest.mark.slow
def test_seqio_tasks_have_the_same_exemplars(
  splits, config, vocabulary, mini_data
):
  before = dict(seqio_tasks._process)
  seqio_tasks._process.clear()
  framing = Framing.of(config, vocabulary)
  for part, template in (('anli_r1', 2), ('natural_questions', 0)):
    view = _view(splits, part, 'test', framing, shots=3)
    wanted = {
      view.rows[rendering['row']]['id']: view.prompt(index, framing)
      for index, rendering in enumerate(view.renderings)
      if rendering['template'] == template
    }
    task = seqio_tasks.get_mixture_or_task(
      f'{part}.t{template}.3shot', 'mini', mini_data
    )
    assert task is seqio.get_mixture_or_task(task.name)
    dataset = task.get_dataset(_LENGTHS, split='test', shuffle=False)
    examples = list(dataset.as_numpy_iterator())
    found = {e['id'].decode(): e['inputs'].tolist() for e in examples}
    assert found == wanted
    for example in examples:
      # End tokens stand where the text has line breaks.
      text, shown = example['inputs_pretokenized'].decode(), ''
      ends = np.flatnonzero(example['inputs'] == vocabulary.eos_id)
      for n, span in enumerate(np.split(example['inputs'], ends + 1)[:-1]):
        shown += vocabulary.decode(span[:-1].tolist()) + '\n' * (1 + n % 2)
      assert text == shown.removesuffix('\n')
      assert text.endswith(example[seqio_tasks.QUERY].decode())
  seqio_tasks._process.clear()
  seqio_tasks._process.update(before)


def test_subset_without_training_rows_takes_those_of_its_dataset():
  keys = split_keys([resolve('flan_eval_nli.3shot')])
  assert named_split('mnli', 'train') in keys
  assert not [key for key in keys if str(key) == 'mnli_matched.train']


def test_pool_without_rows_gives_no_exemplars(splits, config, vocabulary):
  framing = Framing.of(config, vocabulary)
  pool = copy.copy(splits['anli_r1', 'train'])
  pool.renderings = pool.renderings[:0]
  pool.manifest = {**pool.manifest, 'counts': {**pool.manifest['counts']}}
  view = FewShotSplit(splits['anli_r1', 'test'], pool, 3, 0, framing)
  zero = splits['anli_r1', 'test'].prompt_lengths(framing)
  assert (view.prompt_lengths(framing) == zero).all()
  assert not view.exemplars(0).size


def test_pool_of_another_dataset_is_refused(splits, config, vocabulary):
  framing = Framing.of(config, vocabulary)
  with pytest.raises(ValueError, match='its training rows'):
    FewShotSplit(
      splits['anli_r1', 'test'], splits['multirc', 'train'], 1, 0, framing
    )
