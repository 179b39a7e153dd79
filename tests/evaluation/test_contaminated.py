"""Files of contaminated rows are read, or refused with the fix."""

import json

import pytest

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.contaminated import Contaminated
from tests.evaluation.splits import part, split


def _write(tmp_path, content):
  path = tmp_path / 'seen.json'
  path.write_text(content if isinstance(content, str) else json.dumps(content))
  return path


def test_ids_by_part(tmp_path):
  registry.load()
  found = Contaminated.read(_write(tmp_path, {'rte': ['a', 'b'], 'piqa': []}))
  assert found.of('rte') == {'a', 'b'}
  assert found.of('piqa') == found.of('cb') == set()
  test = split([{'id': 'b'}, {'id': 'c'}])
  found.check([part(test)])
  test.rows.pop(0)
  with pytest.raises(ConfigError, match=r"rte has no test row .* 2 ids, .*'a'"):
    found.check([part(test)])


@pytest.mark.parametrize(
  ('content', 'message'),
  [
    ('{', 'seen.json is not JSON'),
    ([], 'one JSON object'),
    ({'piqa': 'a'}, 'piqa must be a list'),
    ({'piqa': [1]}, 'piqa must be a list'),
    ({'piqqa': []}, "no subset 'piqqa'; nearest: piqa"),
  ],
)
def test_other_files_are_refused(tmp_path, content, message):
  registry.load()
  with pytest.raises(ConfigError, match=message):
    Contaminated.read(_write(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path):
  with pytest.raises(ConfigError, match=r'cannot be read: No such file'):
    Contaminated.read(tmp_path / 'none.json')
