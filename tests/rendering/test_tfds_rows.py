"""Prepared TFDS datasets are opened, and few rows read as many are."""

import types

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from flan_jax.definitions import registry
from flan_jax.rendering.source import are_few
from flan_jax.rendering.splits import MissingDataError, Slice
from flan_jax.rendering.tfds_rows import TfdsRows, open_builder, unoptimized

registry.load()


# Classes, lists, and objects.
@pytest.mark.parametrize('name', ['rte', 'web_nlg_en', 'squad_v1'])
def test_few_rows_are_as_those_of_a_graph(name, mini_data):
  rows = TfdsRows(open_builder(registry.find_part(name)[1].source, mini_data))
  split, size = max(rows.sizes.items(), key=lambda item: item[1])
  wanted = Slice(split, 1, min(size, 9))
  few = list(rows.read_few(wanted))
  many = list(unoptimized(rows.read(wanted, shuffle=False)))
  assert len(few) == len(many) == wanted.stop - 1 > 1
  for one, other in zip(few, many, strict=True):
    tf.nest.assert_same_structure(one, other)
    for a, b in zip(*map(tf.nest.flatten, (one, other)), strict=True):
      assert type(a) is type(b) and a.dtype == b.dtype
      np.testing.assert_equal(a.numpy(), b.numpy())


def test_lists_of_lists_are_left_to_graphs():
  lists = tfds.features.Sequence(tfds.features.Sequence(np.int64))
  features = tfds.features.FeaturesDict({'lists': lists})
  info = types.SimpleNamespace(features=features)
  rows = TfdsRows(types.SimpleNamespace(info=info))
  assert rows.spec is None and not are_few(rows, Slice('train', 0, 1))


def test_a_source_that_is_not_there_names_the_commands(tmp_path):
  with pytest.raises(MissingDataError, match='flan-jax prepare rte --data_dir'):
    open_builder('super_glue/rte:1.0.2', str(tmp_path), 'rte')
  with pytest.raises(MissingDataError, match='there is no copy of it'):
    open_builder('no_such_set:1.0.0', str(tmp_path))
