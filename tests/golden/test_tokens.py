"""Tokens of the mini corpus change only if the identity of their cache does."""

import json

import pytest

from flan_jax.cache.framing import CacheConfig
from flan_jax.definitions import registry
from tests.golden import tokens
from tests.shared_folders import locked

registry.load()

_RECORDED = json.loads(tokens.FILE.read_text(encoding='utf-8'))
_COMMAND = '`python -m tests.golden.tokens`'


def _check(keys, data_dir, folder) -> None:
  config = CacheConfig(str(folder), data_dir, tokens.LENGTHS)
  with locked(folder):
    found = tokens.digests(keys, config)
  for name, (content, digest) in found.items():
    recorded = _RECORDED.get(name, [None, None])
    if digest == recorded[1]:
      continue
    if content == recorded[0]:
      pytest.fail(
        f'{name} has other tokens under the same identity: raise '
        f'RENDERING_VERSION unless mini rows have changed, then run {_COMMAND}'
      )
    pytest.fail(f'{name} has other tokens: run {_COMMAND} if intended')


def test_tokens_of_some_parts_are_as_recorded(mini_data, shared_cache):
  # A class label, options of the row, and free text with several answers.
  names = ('cb', 'copa', 'common_gen')
  keys = [key for key in tokens.all_keys() if key.part.name in names]
  assert len(keys) == 9
  _check(keys, mini_data, shared_cache)


@pytest.mark.slow
def test_all_tokens_are_as_recorded(mini_data, shared_cache):
  keys = tokens.all_keys()
  assert {str(key) for key in keys} == set(_RECORDED)
  _check(keys, mini_data, shared_cache)
