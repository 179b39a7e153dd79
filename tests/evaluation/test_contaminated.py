"""Files of contaminated rows: read, or refused with the mend."""

import json
from types import SimpleNamespace

import pytest

from flan_jax.definitions import registry
from flan_jax.definitions.names import UnknownNameError
from flan_jax.evaluation.contaminated import check_ids, read_contaminated
from flan_jax.evaluation.requests import EvalPart


def _write(tmp_path, content):
  path = tmp_path / 'seen.json'
  path.write_text(content if isinstance(content, str) else json.dumps(content))
  return str(path)


def test_ids_by_part(tmp_path):
  registry.load()
  path = _write(tmp_path, {'piqa': ['a', 'b'], 'rte': []})
  found = read_contaminated(path)
  assert found == {'piqa': {'a', 'b'}, 'rte': set()}
  rows = [{'id': 'b'}, {'id': 'c'}]
  part = EvalPart(SimpleNamespace(name='piqa', rows=rows))
  check_ids(path, found, [part])
  rows.pop(0)
  with pytest.raises(ValueError, match="none of the 2 ids of piqa, as 'a'"):
    check_ids(path, found, [part])


@pytest.mark.parametrize(
  ('content', 'error', 'message'),
  [
    ('{', ValueError, 'seen.json is not JSON'),
    ([], ValueError, 'one object'),
    ({'piqa': 'a'}, ValueError, 'piqa must be a list'),
    ({'piqa': [1]}, ValueError, 'piqa must be a list'),
    ({'piqqa': []}, UnknownNameError, 'piqqa'),
  ],
)
def test_other_files_are_refused(tmp_path, content, error, message):
  registry.load()
  with pytest.raises(error, match=message):
    read_contaminated(_write(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path):
  with pytest.raises(ValueError, match=r'CONTAMINATED .*No such file'):
    read_contaminated(str(tmp_path / 'none.json'))
  assert read_contaminated(None) is None
