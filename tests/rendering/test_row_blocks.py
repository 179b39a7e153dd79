"""Blocks give the tokens that SeqIO tasks give."""

import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.rendering import row_blocks, source
from flan_jax.rendering.render import fit_rows, render_rows
from flan_jax.rendering.row_blocks import BlockSource, Renderer, read_blocks
from flan_jax.rendering.source import SplitSource
from flan_jax.testing.cached_splits import named_split
from flan_jax.testing.tiny_models import write_tokenizer
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

# Short, so that long prompts and targets are cut.
_MOST = 60, 12
_FITTED = ('template', 'inputs', 'targets', 'inputs_cut', 'targets_cut')


def _blocks(key, mini_data, vocabulary, renderings=None):
  opened = BlockSource(key.part, mini_data)
  found = opened.slices[key.split]
  every = range(len(key.part.templates))
  renderer = Renderer(key.part, vocabulary, _MOST, every, renderings)
  read = read_blocks(opened, key.split, 0, found.stop - found.start)
  return [row for block in read for row in renderer.render(block)]


def _row_by_row(key, mini_data, vocabulary, renderings=None):
  rows = SplitSource(key.part, mini_data).get_dataset(key.split, shuffle=False)
  rendered = render_rows(rows, key.part, every=True, renderings=renderings)
  kept = ('id', 'group', 'item', 'template', 'options', 'correct', 'answers')
  return list(
    fit_rows(rendered, key.part, vocabulary, _MOST, kept).as_numpy_iterator()
  )


@pytest.fixture(scope='module', params=['SentencePiece', 'Hugging Face'])
def vocabulary(request, tmp_path_factory):
  if request.param == 'SentencePiece':
    return load_vocabulary('mini')
  folder = tmp_path_factory.mktemp('tokenizer')
  write_tokenizer(folder)
  return load_vocabulary(str(folder))


@pytest.mark.parametrize(
  'name',
  [
    'rte',  # fixed classes, a divided slice, a field that is shortened
    pytest.param('hellaswag', marks=pytest.mark.slow),  # options of a row
    pytest.param('natural_questions', marks=pytest.mark.slow),  # answers
    pytest.param('quac', marks=pytest.mark.slow),  # long fields
  ],
)
def test_blocks_are_as_rows_one_by_one(name, mini_data, vocabulary):
  key = named_split(name, 'train')
  found = _blocks(key, mini_data, vocabulary, renderings=4)
  wanted = _row_by_row(key, mini_data, vocabulary, renderings=4)
  renderings = [(row, one) for row in found for one in row.renderings]
  assert len(renderings) == len(wanted) > 0
  assert any(one.inputs_cut for _, one in renderings)
  for (row, one), want in zip(renderings, wanted, strict=True):
    for field in _FITTED:
      assert np.array_equal(getattr(one, field), want[field]), field
    assert one.target == want['targets_pretokenized'].decode()
    assert row.values['id'] == want['id'].decode()
    assert row.values['group'] == want['group']
    assert row.values['item'] == want['item']
    assert list(row.answers) == [text.decode() for text in want['answers']]
    assert list(row.options) == [text.decode() for text in want['options']]
    assert list(row.correct) == np.flatnonzero(want['correct']).tolist()


@pytest.mark.parametrize(
  'name',
  [
    'hellaswag',  # a filter, options of a row
    pytest.param('rte', marks=pytest.mark.slow),
    pytest.param('natural_questions', marks=pytest.mark.slow),
  ],
)
def test_few_rows_are_mapped_as_many_are(name, mini_data, monkeypatch):
  key, vocabulary = named_split(name, 'test'), load_vocabulary('mini')
  found = []
  for few in (0, 1000):
    monkeypatch.setattr(source, 'FEW', few)
    row_blocks._kept_blocks.cache_clear()
    source._groups_of.cache_clear()
    found.append(_blocks(key, mini_data, vocabulary))
  many, few = found
  assert len(many) == len(few) > 0
  for one, other in zip(many, few, strict=True):
    np.testing.assert_equal(one.values, other.values)
    assert list(one.options) == list(other.options)
    assert list(one.correct) == list(other.correct)
    assert list(one.answers) == list(other.answers)
    for a, b in zip(one.renderings, other.renderings, strict=True):
      assert (a.template, a.target) == (b.template, b.target)
      assert np.array_equal(a.inputs, b.inputs)
      assert np.array_equal(a.targets, b.targets)


def test_a_slice_of_many_blocks_is_read_in_order(mini_data, monkeypatch):
  key, vocabulary = named_split('snli', 'train'), load_vocabulary('mini')
  whole = _blocks(key, mini_data, vocabulary)
  monkeypatch.setattr(row_blocks, 'BLOCK_ROWS', 3)
  monkeypatch.setattr(source, 'FEW', 0)
  row_blocks._kept_blocks.cache_clear()
  parted = _blocks(key, mini_data, vocabulary)
  row_blocks._kept_blocks.cache_clear()
  assert [row.values['id'] for row in parted] == [
    row.values['id'] for row in whole
  ]
  for one, other in zip(whole, parted, strict=True):
    for a, b in zip(one.renderings, other.renderings, strict=True):
      assert a.template == b.template
      assert np.array_equal(a.inputs, b.inputs)


def test_splits_that_divide_a_slice_read_it_once(mini_data, monkeypatch):
  reads = []
  read = row_blocks._read

  def spy(source, rows):
    reads.append(rows)
    return read(source, rows)

  monkeypatch.setattr(row_blocks, '_read', spy)
  # Which rows belong to a split is told by the blocks as well.
  monkeypatch.setattr(source, '_groups_of', None)
  row_blocks._kept_blocks.cache_clear()
  ids = [
    {
      row.values['id']
      for row in _blocks(key, mini_data, load_vocabulary('mini'))
    }
    for key in (named_split('rte', 'train'), named_split('rte', 'validation'))
  ]
  assert len(reads) == 1
  assert ids[0]
  assert ids[1]
  assert not ids[0] & ids[1]
