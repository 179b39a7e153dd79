"""Declarations that contradict themselves are refused when they are made."""

import pytest

from flan_jax.definitions.dataset import (
  Dataset,
  DatasetError,
  Part,
  Template,
  evaluated,
  in_format,
)

_ORDINARY = tuple(
  Template(f'Case {i}: {{text}}\n{{options}}') for i in range(10)
)


def _dataset(**overrides) -> Dataset:
  values = {
    'name': 'toy',
    'version': '1.0.0',
    'cluster': 'toys',
    'source': 'toy:1.0.0',
    'splits': {'train': 'train', 'test': 'test'},
    'rows': {},
    'fields': {'text': 'text', 'title': 'title'},
    'label': 'label',
    'choices': {'neg': 'no', 'pos': 'yes'},
    'metrics': ('accuracy',),
    'truncatable': 'text',
    'group_key': ('text',),
    'templates': _ORDINARY,
  }
  return Dataset(**{**values, **overrides})


def _with_template(template: Template) -> tuple[Template, ...]:
  return (*_ORDINARY[:4], template, *_ORDINARY[5:])


@pytest.mark.parametrize(
  'template, message',
  [
    (Template('{txet}\n{options}'), "unknown field 'txet'"),
    (Template('Say something.\n{options}'), 'the input has no field'),
    (Template('{text}', 'yes', inverted=True), 'the target has no field'),
    (Template('{text}'), 'must end with {options}'),
    (Template('{options}\n{text}'), '{options} may occur once, at the end'),
    (Template('{text}\n{options}', inverted=True), 'must not show options'),
    (Template('{text} {answer}\n{options}'), 'gives the answer away'),
    (Template('{text}\n{options}', only_if=('maybe',)), 'only_if names'),
    (Template('{text} {\n{options}'), 'template 4'),
    (Template('{text!r}\n{options}'), 'not a plain field name'),
  ],
)
def test_template_errors_name_dataset_and_template(template, message):
  with pytest.raises(DatasetError) as error:
    _dataset(templates=_with_template(template))
  assert 'dataset toy, template 4' in str(error.value)
  assert message in str(error.value)


@pytest.mark.parametrize(
  'overrides, message',
  [
    ({'templates': ()}, 'at least one template'),
    ({'choices': {'neg': 'no', 'pos': ''}}, "class 'pos' needs words"),
    ({'choices': {'neg': 'no', 'pos': 'no'}}, 'share their words'),
    ({'choices': None}, 'exactly one of'),
    ({'label': None}, 'choices and label together'),
    ({'splits': {'eval': 'validation'}}, 'splits must be among'),
    ({'truncatable': 'body'}, "'body' is not one of"),
    ({'name': 'Toy Set'}, 'a name may contain only'),
    ({'metrics': ()}, 'at least one metric'),
    ({'fields': {'text': 'text', 'answer': 'x'}}, 'reserved'),
    (
      {'templates': (Template('{text}', '{title}', inverted=True),) * 10},
      'inverted',
    ),
  ],
)
def test_dataset_errors(overrides, message):
  with pytest.raises(DatasetError, match=message):
    _dataset(**overrides)


def test_parts_override_and_are_checked():
  part = Part('toy_two', source='toy/two:1.0.0', splits={'test': 'test'})
  dataset = _dataset(parts=(Part('toy'), part))
  one, two = dataset.resolve_parts()
  assert (one.name, one.source, one.trains) == ('toy', 'toy:1.0.0', True)
  assert (two.name, two.source, two.trains) == (
    'toy_two',
    'toy/two:1.0.0',
    False,
  )
  assert two.templates == dataset.templates
  with pytest.raises(DatasetError, match='toy_two'):
    _dataset(parts=(Part('toy_two', truncatable='body'),))
  with pytest.raises(TypeError, match='no such fields'):
    Part('toy_two', truncatible='text')


def test_parts_know_the_dataset_that_declares_them():
  dataset = _dataset(parts=(Part('toy'), Part('toy_two')))
  for part in dataset.resolve_parts():
    assert part.dataset is dataset
    assert in_format(part, 'plain').dataset is dataset
    assert part.family == dataset.resolve_parts()
  assert _dataset().family == (_dataset(),)


def test_evaluated_leaves_out_inverted_templates():
  inverted = Template('Write something {answer}.', '{text}', inverted=True)
  templates = _with_template(inverted)
  assert evaluated(templates) == (0, 1, 2, 3, 5, 6, 7, 8, 9)
  _dataset(templates=templates)
