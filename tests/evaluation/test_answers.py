"""An answer ends where it was asked to, and says whether it did."""

import types

import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation import answers
from flan_jax.evaluation.answers import Ending, Written

_WORDS = ['', 'yes', '.\n', '\nQ', ' no', '\n']


class _Generator:
  """Says the same after every prompt, up to the limit."""

  def __init__(self, said):
    self._said = said

  def generate(self, params, prompts, limits, progress, stop=lambda _: None):
    found = []
    for limit in limits:
      tokens = self._said[:limit]
      for n in range(1, len(tokens) + 1):
        if stop(tokens[:n]) is not None:
          tokens = tokens[: stop(tokens[:n])]
          break
      found.append(tokens)
      progress(1)
    return found


def _write(said, ending):
  models = types.SimpleNamespace(
    generator=_Generator(said),
    vocabulary=types.SimpleNamespace(
      decode=lambda ids: ''.join(_WORDS[i] for i in ids)
    ),
  )
  (written,) = answers.write([[7]], models, None, ending)
  return written


def test_an_answer_ends_before_a_text_that_several_tokens_make():
  # The line break of the first token belongs to what ended it.
  ending = Ending(9, ('\n\n',))
  assert _write([1, 2, 3, 4], ending) == Written('yes.', True)


def test_an_answer_ends_before_the_first_of_several_texts():
  ending = Ending(9, ('no', '\n'))
  assert _write([1, 4, 2], ending) == Written('yes ', True)


def test_an_end_token_and_a_limit_are_told_apart():
  assert _write([1, 4], Ending(3)) == Written('yes no', True)
  assert _write([1, 4, 1], Ending(2)) == Written('yes no', False)
  # Its last token completes a text.
  assert _write([1, 5], Ending(2, ('\n',))) == Written('yes', True)


@pytest.mark.parametrize('tokens', [0, 'many', 1.5])
def test_a_limit_is_a_positive_integer(tokens):
  with pytest.raises(ConfigError, match='MAX_NEW_TOKENS must be a positive'):
    Ending(tokens)
