"""An answer ends where it should, and reports whether it ended by itself."""

import types

import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation.inference import Ending, answer_prompts
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.prompts import Prompt
from flan_jax.terminal.bar import Bar

_WORDS = ['', 'yes', '.\n', '\nQ', ' no', '\n']


class _Generator:
  """Gives the same answer to every prompt, up to the limit."""

  def __init__(self, answer):
    self._answer = answer

  def answers(self, params, prompts, limits, stop):
    for index, limit in enumerate(limits):
      tokens = self._answer[:limit]
      for n in range(1, len(tokens) + 1):
        if stop(tokens[:n]) is not None:
          tokens = tokens[: stop(tokens[:n])]
          break
      yield index, tokens


def _write(answer, ending):
  models = types.SimpleNamespace(
    generator=_Generator(answer),
    vocabulary=types.SimpleNamespace(
      decode=lambda ids: ''.join(_WORDS[i] for i in ids)
    ),
  )
  prompt = Prompt('p.txt:1', {'prompt': 'x', 'id': 3})
  bar = Bar(enabled=False)
  session = Session(models, None, bar=bar)
  (found,) = answer_prompts([prompt], [[7]], session, ending)
  assert bar.done == bar.total == 1
  assert (found['prompt'], found['id']) == ('x', 3)
  return found['generated'], found['ended']


def test_an_answer_ends_before_a_text_that_several_tokens_make():
  # The line break in the first token is part of the stop text.
  ending = Ending(9, ('\n\n',))
  assert _write([1, 2, 3, 4], ending) == ('yes.', True)


def test_an_answer_ends_before_the_first_of_several_texts():
  ending = Ending(9, ('no', '\n'))
  assert _write([1, 4, 2], ending) == ('yes ', True)


def test_an_answer_that_reaches_its_limit_has_not_ended():
  assert _write([1, 4], Ending(3)) == ('yes no', True)
  assert _write([1, 4, 1], Ending(2)) == ('yes no', False)
  # Its last token completes a stop text.
  assert _write([1, 5], Ending(2, ('\n',))) == ('yes', True)


@pytest.mark.parametrize('tokens', [0, 'many', 1.5])
def test_a_limit_is_a_positive_integer(tokens):
  with pytest.raises(ConfigError, match=r'tokens is .*: it must be'):
    Ending(tokens)
