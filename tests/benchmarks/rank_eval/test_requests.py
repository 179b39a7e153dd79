"""Prompts and options are divided as the harness divides them."""

import types

from benchmarks.rank_eval import requests
from flan_jax.batches.packing import Example
from flan_jax.testing import tiny_models
from flan_jax.vocabulary.load import load_vocabulary


def test_white_space_before_an_option_is_part_of_it(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  vocabulary = load_vocabulary(str(tmp_path))
  request = types.SimpleNamespace(
    example=Example(
      vocabulary.encode('on the inn: '),
      (
        (*vocabulary.encode('the'), vocabulary.eos_id),
        tuple(vocabulary.encode('an')),
      ),
    ),
    ended=(True, False),
    row={'correct': [1]},
    about=lambda target: {'shots': 2},
  )
  found = requests.as_harness(request, vocabulary)
  assert found['prompt'] == vocabulary.encode('on the inn:')
  assert found['options'] == [vocabulary.encode(o) for o in (' the', ' an')]
  # A space and the word after it are one token.
  assert [len(option) for option in found['options']] == [1, 2]
  assert found['texts'] == [('on the inn: ', 'the'), ('on the inn: ', 'an')]
  assert (found['gold'], found['shots']) == ([1], 2)


def test_the_rows_of_a_dataset_are_divided_among_its_subsets():
  parts = ('anli_r1', 'anli_r2', 'anli_r3')
  assert requests.shares(8, parts) == list(zip(parts, (3, 3, 2), strict=True))
