"""What decides tokens decides the folder of a cached split, and no more."""

import dataclasses
import functools

import pytest

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey, content_digest, source_of
from flan_jax.definitions import registry
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

registry.load()

_CONFIG = CacheConfig('cache')


def _digest(part=None, config=_CONFIG, templates=None) -> str:
  part = part or named_split('rte', 'train').part
  key = SplitKey(part, 'train', templates)
  return content_digest(key, config, load_vocabulary('mini'))


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('note', 'another'),
    ('metrics', ('f1',)),
    ('cluster', 'misc'),
    ('title', 'another'),
    ('manual', 'another'),
  ],
)
def test_prose_and_metrics_keep_the_cache(field, value):
  part = named_split('rte', 'train').part
  assert _digest(dataclasses.replace(part, **{field: value})) == _digest()


def test_what_decides_tokens_makes_another_cache():
  part = named_split('rte', 'train').part
  first, *others = part.templates
  template = dataclasses.replace(first, input='Hm. ' + first.input)
  digests = {
    _digest(),
    _digest(dataclasses.replace(part, version='9')),
    _digest(dataclasses.replace(part, templates=(template, *others))),
    _digest(dataclasses.replace(part, keep=lambda row: True)),
    _digest(dataclasses.replace(part, group_key=('premise', 'hypothesis'))),
    _digest(templates=(0, 1)),
    _digest(config=dataclasses.replace(_CONFIG, prompt_format='{input}:')),
    _digest(
      config=dataclasses.replace(_CONFIG, lengths={'inputs': 9, 'targets': 9})
    ),
  }
  assert len(digests) == 8


def test_directories_keep_the_cache():
  config = CacheConfig('elsewhere', 'data', exemplar_separator='\\n')
  assert _digest(config=config) == _digest()


_WORD = 'one'


def _helper(row):
  return row[_WORD]


def _field(row, *, name='x'):
  return _helper(row) + name


def test_the_source_of_a_function_includes_what_it_uses(monkeypatch):
  before = list(source_of(_field))
  assert any('def _helper' in text for text in before)
  assert list(source_of(functools.partial(_field, name='y'))) != before
  monkeypatch.setitem(globals(), '_WORD', 'two')
  assert list(source_of(_field)) != before


def _twice(function):
  @functools.wraps(function)
  def call(row):
    return function(row) * 2

  return call


@_twice
def _decorated(row):
  return _helper(row)


def test_what_a_decorated_function_uses_is_included(monkeypatch):
  before = list(source_of(_decorated))
  assert any('def _helper' in text for text in before)
  monkeypatch.setitem(globals(), '_WORD', 'two')
  assert list(source_of(_decorated)) != before


def _plain(row):
  return row['text']


def _documented(row):
  """Returns the text."""
  return row['text']  # Prose.


def test_prose_in_a_function_keeps_the_cache():
  (plain,), (documented,) = source_of(_plain), source_of(_documented)
  assert documented.replace('_documented', '_plain') == plain
