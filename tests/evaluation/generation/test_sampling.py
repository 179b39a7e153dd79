import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.sampling import Sampling, choose

_DRAWS = 4000
_PROBABILITIES = np.array([0.5, 0.25, 0.15, 0.1], np.float32)


def shares(sampling):
  """Returns how often each token is drawn."""
  logits = jnp.tile(jnp.log(_PROBABILITIES), (_DRAWS, 1))
  prompts = jnp.arange(_DRAWS)
  drawn = np.asarray(choose(sampling, logits, prompts, jnp.zeros_like(prompts)))
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
  prompts = jnp.arange(200)
  sampling = Sampling(1.0, top_k=3, top_p=0.99)
  drawn = choose(sampling, logits, prompts, jnp.zeros_like(prompts))
  assert set(np.asarray(drawn).tolist()) == {0, 2}


@pytest.mark.parametrize(
  'wrong', [{'temperature': -1}, {'top_k': -1}, {'top_p': 0}, {'top_p': 1.1}]
)
def test_settings_are_checked(wrong):
  with pytest.raises(ConfigError, match=next(iter(wrong)).upper()):
    Sampling(**wrong)
