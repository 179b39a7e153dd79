import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.sampling import Draws, Sampling, choose

_DRAWS = 4000
_PROBABILITIES = np.array([0.5, 0.25, 0.15, 0.1], np.float32)


def shares(sampling):
  """Returns how often each token is drawn."""
  logits = jnp.tile(jnp.log(_PROBABILITIES), (_DRAWS, 1))
  draws = Draws.of([sampling] * _DRAWS, range(_DRAWS))
  drawn = np.asarray(choose(draws, logits, jnp.zeros(_DRAWS, int)))
  return np.bincount(drawn, minlength=4) / _DRAWS


@pytest.mark.parametrize(
  ('sampling', 'expected'),
  [
    (Sampling(), [1, 0, 0, 0]),
    (Sampling(1.0), _PROBABILITIES),
    # Twice the logits: probabilities squared.
    (Sampling(0.5), _PROBABILITIES**2 / np.sum(_PROBABILITIES**2)),
    (Sampling(1.0, top_k=2), [2 / 3, 1 / 3, 0, 0]),
    (Sampling(1.0, top_k=9), _PROBABILITIES),
    # The second is needed to reach .6, the third is not.
    (Sampling(1.0, top_p=0.6), [2 / 3, 1 / 3, 0, 0]),
    (Sampling(1.0, top_p=0.01), [1, 0, 0, 0]),
    # Among two thirds and one third, .5 is reached by the first.
    (Sampling(1.0, top_k=2, top_p=0.5), [1, 0, 0, 0]),
  ],
  ids=str,
)
def test_tokens_are_drawn_with_their_probabilities(sampling, expected):
  # Four standard deviations of the most uncertain share.
  np.testing.assert_allclose(
    shares(sampling), expected, atol=4 * 0.5 / _DRAWS**0.5
  )


def test_impossible_tokens_are_never_drawn():
  logits = jnp.array([[0.0, -jnp.inf, 0.0]] * 200)
  draws = Draws.of([Sampling(1.0, top_k=3, top_p=0.99)] * 200, range(200))
  drawn = choose(draws, logits, jnp.zeros(200, int))
  assert set(np.asarray(drawn).tolist()) == {0, 2}


@pytest.mark.slow
def test_each_sequence_of_a_batch_is_drawn_in_its_own_way():
  logits = jnp.tile(jnp.log(_PROBABILITIES), (3 * _DRAWS, 1))
  ways = [Sampling(), Sampling(1.0, top_k=2), Sampling(1.0)]
  draws = Draws.of(ways * _DRAWS, range(3 * _DRAWS))
  drawn = np.asarray(choose(draws, logits, jnp.zeros(3 * _DRAWS, int)))
  for way, sampling in enumerate(ways):
    own = np.bincount(drawn[way::3], minlength=4) / _DRAWS
    np.testing.assert_allclose(own, shares(sampling), atol=0.05)


@pytest.mark.parametrize(
  'wrong', [{'temperature': -1}, {'top_k': -1}, {'top_p': 0}, {'top_p': 1.1}]
)
def test_settings_are_checked(wrong):
  with pytest.raises(ConfigError, match=f'Sampling.{next(iter(wrong))} is'):
    Sampling(**wrong)


def test_the_first_of_the_likeliest_is_taken_and_always_one_of_the_vocabulary():
  nan, never = np.nan, -np.inf
  logits = np.array(
    [[1, 3, 3, never], [never, 0, -1, never], [nan, 5, nan, never]], np.float32
  )
  draws = Draws.of([None] * 3, [0] * 3)
  chosen = choose(draws, jnp.array(logits), jnp.zeros(3, int))
  assert chosen.tolist() == [1, 1, 0]
