"""Exemplars depend on seed and row alone, and never share the query's group."""

import numpy as np

from flan_jax.rendering.exemplars import choose, exemplar_keys, most_tokens
from flan_jax.rendering.lengths import DEFAULT_LENGTHS


def test_exemplars_depend_on_seed_and_row_alone():
  groups, queries = np.arange(50), np.array([100, 101])
  keys = exemplar_keys(['a', 'b'], seed=0)
  chosen = choose(groups, queries, keys, 16)
  assert (choose(groups, queries[1:], keys[1:], 16) == chosen[1:]).all()
  assert (chosen[0] != chosen[1]).any()
  other = exemplar_keys(['a', 'b'], seed=1)
  assert (choose(groups, queries, other, 16) != chosen).any()


def test_fewer_exemplars_are_the_first_of_more():
  groups, queries = np.arange(50), np.array([100, 101])
  keys = exemplar_keys(['a', 'b'], seed=0)
  more = choose(groups, queries, keys, 16)
  assert (choose(groups, queries, keys, 3) == more[:, :3]).all()


def test_exemplars_are_never_from_the_querys_group():
  # Three quarters of the pool belong to the query's own group.
  groups = np.array([7] * 30 + list(range(10)))
  keys = exemplar_keys(['q'], seed=0)
  chosen = choose(groups, np.array([7]), keys, 16)[0]
  assert sorted(groups[chosen[chosen >= 0]]) == [0, 1, 2, 3, 4, 5, 6, 8, 9]
  assert (chosen[9:] == -1).all()


def test_every_exemplar_is_equally_likely():
  keys = exemplar_keys(map(str, range(4000)), seed=0)
  chosen = choose(np.arange(20), np.full(4000, -1), keys, 1)[:, 0]
  counts = np.bincount(chosen, minlength=20)
  assert counts.min() > 150 and counts.max() < 260


def test_the_papers_lengths_leave_960_tokens():
  assert most_tokens(DEFAULT_LENGTHS) == 960
