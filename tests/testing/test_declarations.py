"""The public test kit finds badly joined prompts."""

import dataclasses

import pytest
import tensorflow as tf

from flan_jax.definitions.dataset import Dataset, Template
from flan_jax.testing.declarations import assert_sentences_end

_ROW = {'text': 'The kettle is on.', 'label': 0}


def _asked(row):
  return tf.strings.join([row['text'], '?'])


def _dataset(template: str, text='text') -> Dataset:
  numbers = range(1, 10)
  return Dataset(
    name='kettles',
    version='1.0.0',
    cluster='testing',
    source='kettles:1.0.0',
    splits={'train': 'train'},
    rows={'train': 1},
    fields={'text': text, 'other': 'text'},
    label='label',
    choices={'a': 'no', 'b': 'yes'},
    metrics=('accuracy',),
    truncatable='text',
    group_key=('text',),
    templates=(
      Template(template + '\n{options}'),
      *(Template(f'Case {n}: {{text}}\n{{options}}') for n in numbers),
    ),
  )


@pytest.mark.parametrize(
  'template, rest',
  [
    ('{text} Is it so?', ' Is it so?'),
    ('I read "{text}" Is it so?', '" Is it so?'),
    ('{text} "Is it so?" I ask.', ' "Is it so?" I ask.'),
    # The next field starts with a capital letter.
    ('{text} {other}', ' The kettle is on'),
  ],
)
def test_a_field_before_a_sentence_on_its_line_is_found(template, rest):
  with pytest.raises(AssertionError) as error:
    assert_sentences_end(_dataset(template), _ROW)
  assert f'kettles, template 0: {rest!r} follows {{text}}' in str(error.value)


@pytest.mark.parametrize(
  'template',
  [
    '{text}\nIs it so?',
    'Is "{text}" so?',
    'I read this:\n"{text}"\nIs it so?',
    'Text: {text}\nOther: {other}',
  ],
)
def test_a_field_within_a_sentence_or_on_its_own_line_is_sound(template):
  assert_sentences_end(_dataset(template), _ROW)


def test_a_field_that_brings_its_mark_is_sound():
  dataset = _dataset('{text} Say yes or no.', text=_asked)
  assert_sentences_end(dataset, _ROW)
  with pytest.raises(AssertionError):
    assert_sentences_end(
      dataclasses.replace(dataset, fields={**dataset.fields, 'text': 'text'}),
      _ROW,
    )
