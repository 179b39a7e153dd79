"""Settings of an evaluation are checked when they are read."""

import pytest

from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_config import EvalConfig


def test_one_stop_text_is_a_list_of_one():
  assert EvalConfig(stop='\n').stop == ('\n',)
  assert EvalConfig(stop=['a', 'b']).stop == ('a', 'b')


def test_impossible_settings_are_refused():
  with pytest.raises(ConfigError, match='max_rows is 0: it must be an integer'):
    EvalConfig(max_rows=0)
  with pytest.raises(ConfigError, match='stop is'):
    EvalConfig(stop=[''])
