"""Rows of files are read as TFDS rows are: splits, ids, groups, answers."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import seqio
import tensorflow as tf

import flan_jax as fj
from flan_jax.definitions import names
from flan_jax.definitions.checks import DatasetError
from flan_jax.rendering import row_blocks, splits
from flan_jax.rendering.source import SplitSource
from flan_jax.rendering.splits import MissingDataError
from flan_jax.runtime import tensorflow_start
from flan_jax.vocabulary.load import load_vocabulary

_ASK = '{text}\n{options}'
_WORDS = {1: 'good', 2: 'bad'}


@pytest.fixture(autouse=True)
def folder(own_folder):
  tensorflow_start.skip_graph_optimization()
  return own_folder


def _write(folder, rows, name='rows.jsonl'):
  lines = ''.join(json.dumps(row) + '\n' for row in rows)
  (folder / name).write_text(lines)


def _many(count=60):
  return [
    {'text': f'row {i // 2}', 'label': 1 + i // 2 % 2} for i in range(count)
  ]


def _part(**changes):
  about = {
    'name': 'own',
    'source': 'json:rows.jsonl',
    'fields': 'text',
    'choices': _WORDS,
    'templates': _ASK,
  }
  return fj.dataset(**{**about, **changes})


def _read(part, split='train', **kwargs):
  rows = SplitSource(part).get_dataset(split, shuffle=False, **kwargs)
  return list(rows.as_numpy_iterator())


def test_a_file_of_few_rows_is_read_in_blocks(folder):
  _write(folder, _many(12))
  part = _part()
  source, found = row_blocks.BlockSource(part), []
  for split in part.splits:
    for block in row_blocks.read_blocks(source, split, 0, 12):
      found += block['id'].tolist()
  assert len(set(found)) == len(found) == 12


def test_few_rows_are_as_those_of_a_graph(folder):
  lists = [], [['one']], [['two', 'three'], []]
  more = [{'lists': lists[i % 3], 'pair': {'n': i}} for i in range(6)]
  _write(folder, [a | b for a, b in zip(_many(6), more, strict=True)])
  rows = SplitSource(_part()).rows
  ((split, size),) = rows.sizes.items()
  wanted = splits.Slice(split, 1, size)
  few = list(rows.read_few(wanted))
  many = list(rows.read(wanted, shuffle=False))
  assert len(few) == len(many) == 5
  for one, other in zip(few, many, strict=True):
    assert one.keys() == other.keys() == {*more[0], *_many(1)[0], 'tfds_id'}
    same = tf.nest.map_structure(
      lambda a, b: bool(tf.reduce_all(a == b)), one, other
    )
    assert all(tf.nest.flatten(same))


def test_a_hash_of_the_group_divides_rows_without_splits(folder):
  _write(folder, _many())
  part = _part()
  source = SplitSource(part)
  rows = {split: _read(part, split) for split in source.slices}
  assert list(rows) == ['train', 'validation', 'test']
  assert sum(map(len, rows.values())) == 60
  groups = [{row['group'] for row in found} for found in rows.values()]
  assert sum(map(len, groups)) == len(set.union(*groups)) == 30
  for split, found in rows.items():
    assert len(found) == source.num_input_examples(split) > 0
    assert {bool(row['trains']) for row in found} == {split == 'train'}
  assert source.slices['train'].reason.endswith('by group')
  for row in rows['train']:
    place = int(row['id'].decode().removeprefix('train__'))
    assert row['text'].decode() == f'row {place // 2}'
    assert row['answer'].decode() == _WORDS[1 + place // 2 % 2]


def test_splits_by_name_are_kept(folder):
  for split, count in (('train', 20), ('validation', 6), ('test', 8)):
    _write(folder, _many(count), f'{split}.jsonl')
  source = SplitSource(_part(source=f'json:{folder}'))
  assert {
    s: found.reason for s, found in source.slices.items()
  } == dict.fromkeys(('train', 'validation', 'test'), '')
  assert source.num_input_examples('test') == 8


def test_both_renderers_read_the_same(folder):
  # More rows than a block of tensors.
  _write(folder, _many(2500))
  part = _part(templates=(_ASK, '{text}? {options}'))
  source, vocabulary = SplitSource(part), load_vocabulary('mini')
  renderer = row_blocks.Renderer(part, vocabulary, (100, 10), (0, 1))
  size = source.slices['test'].stop
  blocks = row_blocks.read_blocks(source, 'test', 0, size)
  found = [row for block in blocks for row in renderer.render(block)]
  expected = _read(part, 'test')
  assert [row.values['id'] for row in found] == [
    row['id'].decode() for row in expected
  ]
  assert len(found) == len(expected) >= 500


@pytest.mark.slow
def test_shuffled_and_sharded_rows_are_all_there(folder):
  _write(folder, _many())
  part = _part(splits={'train': 'train'})
  rows = SplitSource(part).get_dataset('train', shuffle=True, seed=1)
  ids = [row['id'] for row in rows.as_numpy_iterator()]
  assert len(set(ids)) == 60
  assert ids != [row['id'] for row in _read(part)]
  shards = [
    _read(part, shard_info=seqio.ShardInfo(index, 2)) for index in range(2)
  ]
  assert {row['id'] for shard in shards for row in shard} == set(ids)


def test_numbers_lists_and_objects_become_fields_and_answers(folder):
  row = {
    'n': 3,
    'x': 0.5,
    'ok': True,
    'options': ['red', 'green'],
    'right': 1,
    'qa': [{'q': 'who', 'a': ['me', 'you']}],
    'points': '2.5',
  }
  _write(folder, [row])
  common = {'fields': ('n', 'x', 'ok'), 'splits': {'train': 'train'}}
  listed = _part(
    **common,
    choices=None,
    options='options',
    correct='right',
    score='points',
    templates='{n} {x} {ok}\n{options}',
  )
  (read,) = _read(listed)
  assert [read[name] for name in ('n', 'x', 'ok')] == [b'3', b'0.5', b'true']
  assert read['answer'] == b'green'
  assert read['correct'].tolist() == [False, True]
  assert read['score'] == np.float32(2.5)

  def first_answers(raw):
    return raw['qa']['a'][0]

  free = _part(
    **common,
    name='free',
    choices=None,
    answers=first_answers,
    templates='{n} {x} {ok}',
  )
  (read,) = _read(free)
  assert read['answers'].tolist() == [b'me', b'you']
  one = _part(
    **common, name='one', choices=None, answers='n', templates='{n} {x} {ok}'
  )
  assert _read(one)[0]['answers'].tolist() == [b'3']


@pytest.mark.parametrize(
  'changes, message',
  [
    ({'fields': {'text': 'txt'}}, r"text reads 'txt'.*nearest: text"),
    ({'label': 'lable'}, "label reads 'lable'.*nearest: label"),
    ({'choices': {1: 'good', 2: ''}}, "class '2' needs words"),
    ({'choices': 'good'}, 'list the classes'),
    ({'template': _ASK}, "no 'template' to declare; nearest: templates"),
    ({'templates': ()}, 'declare at least one template'),
    ({'templates': '{text} {othr}\n{options}'}, "unknown field 'othr'"),
    ({'templates': '{text}'}, r'must end with \{options\}'),
    ({'name': 'rte'}, "'rte' is registered already"),
  ],
)
def test_a_mistake_is_an_error_when_the_literal_is_made(
  folder, changes, message
):
  _write(folder, _many())
  with pytest.raises(DatasetError, match=message) as error:
    _part(**changes)
  assert '\n' not in str(error.value)


_OPTIONS = {'options': 'answers', 'correct': 'right'}


@pytest.mark.parametrize(
  'row, declared, message',
  [
    ({'label': 3}, {'choices': _WORDS}, "no words for 'label' '3'; it has"),
    ({'label': ''}, {'answers': 'label'}, "the answer 'label' is empty"),
    ({'answers': ['a'], 'right': 1}, _OPTIONS, "'right' is 1, which is none"),
    ({'answers': ['a'], 'right': 'b'}, _OPTIONS, "is 'b', which is none of"),
    ({'answers': ['a'], 'right': [False]}, _OPTIONS, r'is \[False\], which'),
  ],
)
def test_a_row_without_an_answer_is_named(folder, row, declared, message):
  good = {'label': 1, 'answers': ['a'], 'right': 0}
  if isinstance(row.get('right'), list):
    good['right'] = [True]
  elif isinstance(row.get('right'), str):
    good['right'] = 'a'
  if isinstance(row.get('label'), str):
    good['label'] = 'x'
  _write(folder, [{'text': 'even', **good}, {'text': 'odd', **good, **row}])
  free = 'answers' in declared
  part = _part(
    **{'choices': None, **declared},
    templates='{text}' if free else _ASK,
    splits={'train': 'train'},
  )
  with pytest.raises(DatasetError, match=message) as error:
    _ = SplitSource(part).class_names
  assert 'row 2 of train' in str(error.value)


def test_numbered_classes_are_words_and_hidden_labels_are_named(folder):
  features = {'label': {'names': ['no', 'yes'], '_type': 'ClassLabel'}}
  noted = json.dumps({'info': {'features': features}})
  (folder / 'rows').mkdir()
  for split, labels in (('train', [1, 0]), ('test', [-1, -1])):
    table = pa.table({'text': ['a', 'b'], 'label': labels})
    table = table.replace_schema_metadata({'huggingface': noted})
    pq.write_table(table, folder / f'rows/{split}.parquet')
  about = {
    'source': 'parquet:rows',
    'choices': {'yes': 'it is', 'no': 'it is not'},
  }
  part = _part(**about, splits={'train': 'train'})
  assert [row['answer'] for row in _read(part)] == [b'it is', b'it is not']
  part = _part(**about, name='hidden')
  with pytest.raises(DatasetError, match=r"row 1 of test: .*'label' '-1'"):
    _read(part)


def test_a_file_that_is_not_there_is_named(folder):
  part = _part()
  with pytest.raises(MissingDataError, match=r'no rows\.jsonl in /'):
    _ = SplitSource(part).slices
  hub = _part(name='hub', source='hf:my/rows/plain')
  with pytest.raises(
    MissingDataError, match='flan-jax prepare hub --data_dir=x'
  ):
    _ = SplitSource(hub, 'x').slices


@pytest.mark.slow
def test_a_changed_file_is_read_again(folder):
  _write(folder, _many(20))
  part = _part(splits={'train': 'train', 'test': 'test'})
  before = len(_read(part)), len(_read(part, 'test'))
  _write(folder, _many(40))
  assert len(_read(part)) > before[0]
  assert names.resolve('own').members[0].part == part
