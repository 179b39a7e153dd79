"""Rows are checked where TFDS would convert a wrong value silently."""

import numpy as np
import pytest

from flan_jax.sources.features import FieldError, check_row, parse_features


@pytest.fixture(scope='module')
def features():
  return parse_features(
    {
      'x': 'float32',
      'n': 'int64',
      'words': {'sequence': 'text'},
      'label': ['no', 'yes'],
    }
  )


ROW = {'x': 1, 'n': 2, 'words': ['a', 'b'], 'label': 'yes'}


def test_a_row_is_kept_but_for_its_classes(features):
  assert check_row(features, ROW) == {**ROW, 'label': 1}
  # TFDS writes -1 for a class that is not published.
  assert check_row(features, {**ROW, 'label': -1})['label'] == -1


@pytest.mark.parametrize(
  ('field', 'value', 'path'),
  [
    ('x', '1', 'x'),
    ('n', True, 'n'),
    ('n', 1.5, 'n'),
    ('n', 2**70, 'n'),
    ('words', 'ab', 'words'),
    ('words', ['a', 3], r'words\[1\]'),
    ('label', 'yess', 'label.*nearest: yes'),
    ('label', True, 'label'),
    ('label', 2, 'label'),
  ],
)
def test_a_wrong_value_is_named_by_its_path(features, field, value, path):
  with pytest.raises(FieldError, match=f"field '{path}"):
    check_row(features, {**ROW, field: value})


def test_a_missing_field_suggests_the_misspelt_one(features):
  row = {'X' if name == 'x' else name: value for name, value in ROW.items()}
  with pytest.raises(FieldError, match="field 'x': missing"):
    check_row(features, row)
  with pytest.raises(FieldError, match=r"field 'y': .*no such field"):
    check_row(features, {**ROW, 'y': 1})


def test_features_of_a_sequence_of_objects_may_be_an_object_of_lists():
  import tensorflow_datasets as tfds

  inner = {'text': tfds.features.Text(), 'start': np.int32}
  features = tfds.features.FeaturesDict(
    {'answers': tfds.features.Sequence(inner)}
  )
  columns = {'answers': {'text': ['x'], 'start': [0]}}
  objects = {'answers': [{'text': 'x', 'start': 0}]}
  assert check_row(features, columns) == columns
  assert check_row(features, objects) == objects
  with pytest.raises(FieldError, match='differ in length'):
    check_row(features, {'answers': {'text': ['x', 'y'], 'start': [0]}})
