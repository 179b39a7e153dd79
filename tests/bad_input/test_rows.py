"""Rows and descriptions that `import-data` refuses, with nothing written."""

import json

import pytest

from flan_jax.errors import UserError
from flan_jax.sources.tfds_import import import_rows

_FEATURES = {
  'text': 'text',
  'number': 'int64',
  'share': 'float32',
  'flag': 'bool',
  'label': ['neg', 'pos'],
  'list': {'sequence': 'text'},
}
_ROW = {
  'text': 'a',
  'number': 1,
  'share': 1.5,
  'flag': True,
  'label': 'neg',
  'list': ['a'],
  '_split': 'train',
}


def _refuse(folder, row, entry):
  rows = folder / 'rows'
  rows.mkdir()
  text = row if isinstance(row, str) else json.dumps(row)
  (rows / 'mine.jsonl').write_text(f'{text}\n')
  (rows / 'meta.json').write_text(json.dumps({'mine': entry}))
  with pytest.raises(UserError) as refused:
    import_rows(rows, folder / 'data', log=lambda line: None)
  line = str(refused.value)
  assert line.isprintable() and len(line) < 800
  assert not [*(folder / 'data').glob('*')]
  return line


@pytest.mark.parametrize(
  'field, value',
  [
    *(('text', x) for x in (3, None, True, ['a'], {}, '\ud800')),
    *(('number', x) for x in (1.5, '1', True, None, [1], 2**63, -(10**30))),
    *(('share', x) for x in ('1', True, None, 10**400)),
    *(('share', float(x)) for x in ('nan', 'inf', '-inf')),
    *(('flag', x) for x in (1, 'true', None, [])),
    *(('label', x) for x in (5, 1.0, 'x', None, True, [1], {})),
    *(('list', x) for x in ('a', None, [1], [['a']], {'a': 1}, [None])),
    *(('_split', x) for x in ('../x', 'all', '', None, 3, 'a' * 300)),
    *(('_split', x) for x in ('train[:1]', 'a/b', 'a b', 'a\n')),
  ],
)
def test_a_value_that_does_not_fit(field, value, tmp_path):
  entry = {'tfds': 'my_lab:1.0.0', 'features': _FEATURES}
  line = _refuse(tmp_path, {**_ROW, field: value}, entry)
  assert line.startswith('mine.jsonl:1: ') and field in line


def test_a_field_that_occurs_twice(tmp_path):
  row = json.dumps(_ROW).replace('"number"', '"text": "b", "number"')
  entry = {'tfds': 'my_lab:1.0.0', 'features': _FEATURES}
  line = _refuse(tmp_path, row, entry)
  assert line == 'mine.jsonl:1: the key "text" occurs twice: remove one'


@pytest.mark.parametrize(
  'entry',
  [
    3,
    None,
    {},
    {'tfds': 3},
    *(
      {'tfds': name, 'features': _FEATURES}
      for name in (
        '',
        '../x:1.0.0',
        'a/../../b:1.0.0',
        '/etc:1.0.0',
        'a:1.0',
        'a:01.0.0',
        'a:1.0.' + '9' * 30,
        'a' * 300 + ':1.0.0',
        'a/' + 'b' * 300 + ':1.0.0',
        'a b:1.0.0',
        'a\nb:1.0.0',
      )
    ),
    *(
      {'tfds': 'my_lab:1.0.0', 'features': features}
      for features in (
        {},
        [1],
        'text',
        {'a': 'blob'},
        {'a': None},
        {'a': ['x']},
        {'a': ['x', 'x']},
        {'a': ['x\ny', 'z']},
        {'a': {'sequence': 'text', 'length': 3}},
        {'../a': ['x', 'y']},
        {'': 'text'},
        {'a/b': 'text'},
        {'a' * 300: 'text'},
      )
    ),
    {'tfds': 'my_lab:1.0.0', 'features': _FEATURES, 'drop': 'x'},
    {'tfds': 'my_lab:1.0.0', 'features': _FEATURES, 'drop': [1]},
    {'tfds': 'no_such_builder:1.0.0'},
    {'tfds': 'super_glue/rte', 'features': _FEATURES},
  ],
)
def test_an_entry_that_describes_no_dataset(entry, tmp_path):
  assert 'mine' in _refuse(tmp_path, _ROW, entry)
