"""A key selects one permutation, computed index by index."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np

from flan_jax.rendering.permutation import key_of, permute


@given(st.integers(1, 3000), st.integers(0, 2**63))
def test_permutations_are_bijections(size, key):
  image = permute(np.arange(size), size, np.uint64(key))
  assert sorted(image.tolist()) == list(range(size))


@given(st.data())
def test_permutations_of_several_sizes_at_once_are_those_of_each(data):
  sizes = data.draw(st.lists(st.integers(1, 400), min_size=1, max_size=4))
  keys = [data.draw(st.integers(0, 2**63)) for _ in sizes]
  together = permute(
    np.concatenate([np.arange(size) for size in sizes]),
    np.repeat(sizes, sizes),
    np.repeat(np.array(keys, np.uint64), sizes),
  )
  alone = [
    permute(np.arange(size), size, np.uint64(key))
    for size, key in zip(sizes, keys, strict=True)
  ]
  assert (together == np.concatenate(alone)).all()


def test_permutations_differ_by_key_and_mix():
  images = [permute(np.arange(1000), 1000, key_of(0, 'a', p)) for p in (0, 1)]
  assert (images[0] == images[1]).mean() < 0.02
  assert abs(np.corrcoef(images[0], np.arange(1000))[0, 1]) < 0.1
