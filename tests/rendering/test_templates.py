"""The engine renders what the patterns say, by one gather and one join."""

import pytest
import tensorflow as tf

from flan_jax.definitions.dataset import Dataset, DatasetError, Template
from flan_jax.rendering.templates import (
  admissible,
  check_class_names,
  compile_templates,
  map_row,
  option_orders,
)

_FILLER = tuple(Template(f'{i}: {{text}}\n{{options}}') for i in range(10))


def _dataset(*templates: Template, **overrides) -> Dataset:
  values = {
    'name': 'toy',
    'version': '1.0.0',
    'cluster': 'toys',
    'source': 'toy:1.0.0',
    'splits': {'train': 'train'},
    'rows': {},
    'fields': {
      'text': 'text',
      'shout': lambda row: tf.strings.upper(row['text']),
    },
    'label': 'label',
    'choices': {'pos': 'good', 'neg': 'bad'},
    'metrics': ('accuracy',),
    'truncatable': 'text',
    'group_key': ('text',),
    'templates': (*templates, *_FILLER[len(templates) :]),
  }
  return Dataset(**{**values, **overrides})


def _render(dataset, row, template, class_names=('neg', 'pos')):
  mapped = map_row(dataset, class_names, row)
  table = compile_templates(dataset)
  rendered = table.render(table.pool(mapped), template)
  return [text.decode() for text in rendered.numpy()]


_ROW = {'text': tf.constant('a {brace} and\na line'), 'label': tf.constant(0)}


def test_fields_literals_and_doubled_braces():
  dataset = _dataset(Template('{{x}} {shout} | {text}\n{options}'))
  assert _render(dataset, _ROW, 0) == [
    '{x} A {BRACE} AND\nA LINE | a {brace} and\na line\n'
    'Options:\n- good\n- bad',
    'bad',
  ]


def test_classes_go_by_name_not_by_position():
  dataset = _dataset()
  assert _render(dataset, _ROW, 1, ('neg', 'pos'))[1] == 'bad'
  assert _render(dataset, _ROW, 1, ('pos', 'neg'))[1] == 'good'


def test_a_label_function_names_its_class():
  dataset = _dataset(label=lambda row: tf.constant('pos'))
  assert _render(dataset, _ROW, 0, None)[1] == 'good'
  dataset = _dataset(label=lambda row: tf.constant('neutral'))
  with pytest.raises(tf.errors.InvalidArgumentError, match='toy'):
    _render(dataset, _ROW, 0, None)


def test_class_names_of_the_builder_are_checked():
  check_class_names(_dataset(), ('neg', 'pos'))
  with pytest.raises(DatasetError, match=r"toy:1\.0\.0 has .*'mixed'"):
    check_class_names(_dataset(), ('neg', 'pos', 'mixed'))
  with pytest.raises(DatasetError, match=r'but toy:1\.0\.0'):
    check_class_names(_dataset(), ('neg',))


@pytest.mark.parametrize('classes', [2, 3])
def test_each_order_of_options_occurs_about_equally_often(classes):
  orders = option_orders(classes)
  shown = [orders[i % len(orders)] for i in range(9)]
  for place in range(classes):
    counts = [sum(o[place] == c for o in shown) for c in range(classes)]
    assert max(counts) - min(counts) <= 1


def test_own_choices_keep_their_order_and_any_right_one_is_the_target():
  dataset = _dataset(
    label=None,
    choices=None,
    options=lambda row: row['choices'],
    correct=lambda row: row['choices'] == row['gold'],
  )
  row = {
    'text': tf.constant('pick'),
    'choices': tf.constant(['c', 'a', 'b']),
    'gold': tf.constant('b'),
  }
  for template in range(10):
    prompt, target = _render(dataset, row, template, None)
    assert prompt.endswith('\nOptions:\n- c\n- a\n- b')
    assert target == 'b'


def test_only_if_and_inverted_templates_are_admitted_by_row():
  by_class = Template('Say something {answer}.', '{text}', True, ('neg',))
  by_row = Template(
    'Shout: {text}', '{shout}', True, lambda row: row['text'] == 'hey'
  )
  dataset = _dataset(by_class, by_row)

  def allowed(label, text):
    row = {'text': tf.constant(text), 'label': tf.constant(label)}
    mapped = map_row(dataset, ('neg', 'pos'), row)
    return admissible(dataset, mapped).numpy()[:2].tolist()

  assert allowed(0, 'hey') == [True, True]
  assert allowed(1, 'hey') == [False, True]
  assert allowed(1, 'you') == [False, False]


def test_rendering_costs_one_gather_of_the_pool_and_one_join():
  dataset = _dataset()
  table = compile_templates(dataset)

  @tf.function
  def render(pool, templates):
    return table.render(pool, templates)

  graph = render.get_concrete_function(
    tf.TensorSpec([None], tf.string), tf.TensorSpec([None], tf.int32)
  ).graph
  kinds = [operation.type for operation in graph.get_operations()]
  assert kinds.count('ReduceJoin') == 1
  assert kinds.count('GatherV2') == 2  # the template's row, then the pool
