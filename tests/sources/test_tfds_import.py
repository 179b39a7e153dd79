"""Imported rows read like a download, and wrong ones change nothing."""

import json
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

from flan_jax.runs import import_data
from flan_jax.sources import tfds_import
from flan_jax.sources.tfds_import import ImportRowsError, import_rows

RTE = 'super_glue/rte:1.0.2'


def rte(premise='A cat sleeps.', label=0, idx=0, split='train', **more):
  return {
    'premise': premise,
    'hypothesis': 'An animal rests.',
    'label': label,
    'idx': idx,
    '_split': split,
    **more,
  }


def write_rows(path: pathlib.Path, rows):
  lines = [x if isinstance(x, str) else json.dumps(x) for x in rows]
  path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


@pytest.fixture
def folder(tmp_path):
  """Writes {stem: (entry or TFDS name, rows)} as a folder to import."""

  def make(files, name='input'):
    path = tmp_path / name
    path.mkdir(exist_ok=True)
    meta = {}
    for stem, (entry, rows) in files.items():
      meta[stem] = {'tfds': entry} if isinstance(entry, str) else entry
      write_rows(path / f'{stem}.jsonl', rows)
    (path / 'meta.json').write_text(json.dumps(meta))
    return path

  return make


@pytest.fixture
def target(tmp_path):
  return tmp_path / 'tfds'


def quiet(_):
  pass


def contents(target):
  """Names in the data directory, hidden ones too; none if there is none."""
  return [path.name for path in target.glob('*')]


def read(name, target, split):
  import tensorflow_datasets as tfds

  return [plain(x) for x in tfds.as_numpy(load(name, target, split, tfds))]


def load(name, target, split, tfds):
  return tfds.load(name, data_dir=str(target), split=split, download=False)


def plain(value):
  """What TFDS yields, as JSON would have it."""
  if isinstance(value, dict):
    return {k: plain(v) for k, v in value.items()}
  if type(value).__name__ == 'RaggedTensorValue':
    return plain(value.to_list())
  if isinstance(value, np.ndarray):
    return [plain(x) for x in value]
  if isinstance(value, list):
    return [plain(x) for x in value]
  if isinstance(value, bytes):
    return value.decode('utf-8')
  return value.item() if isinstance(value, np.generic) else value


def stored(value):
  """A row of JSON, with the precision that TFDS keeps."""
  if isinstance(value, dict):
    return {k: stored(v) for k, v in value.items() if k != '_split'}
  if isinstance(value, list):
    return [stored(x) for x in value]
  return float(np.float32(value)) if isinstance(value, float) else value


def ordered(rows):
  return sorted(rows, key=lambda row: json.dumps(row, sort_keys=True))


def test_import_reads_back_with_tfds(folder, target):
  rows = [
    rte('Café — “naïve”.', label='not_entailment', idx=3),
    rte(idx=4),
    rte(idx=5, label=-1, split='test'),
  ]
  (imported,) = import_rows(folder({'rte': (RTE, rows)}), target, log=quiet)
  assert imported.builder == RTE
  assert imported.rows == {'train': 2, 'test': 1}
  assert imported.status == 'new'
  assert imported.path == target / 'super_glue/rte/1.0.2'
  rows[0]['label'] = 1
  assert ordered(read(RTE, target, 'train')) == ordered(map(stored, rows[:2]))
  assert read(RTE, target, 'test') == [stored(rows[2])]
  # Without a version TFDS constructs from its code and finds the files.
  assert len(read('super_glue/rte', target, 'train')) == 2


def test_import_keeps_what_the_builder_says_of_itself(folder, target):
  import tensorflow_datasets as tfds

  import_rows(folder({'rte': (RTE, [rte()])}), target, log=quiet)
  info = tfds.builder(RTE, data_dir=str(target)).info
  assert info.features['label'].names == ['entailment', 'not_entailment']
  assert 'SuperGLUE' in info.description
  assert info.citation


def test_import_reads_back_with_seqio(folder, target):
  import seqio

  rows = [rte(idx=i) for i in range(5)]
  import_rows(folder({'rte': (RTE, rows)}), target, log=quiet)
  source = seqio.TfdsDataSource(
    RTE, splits={'train': 'train[:3]'}, tfds_data_dir=str(target)
  )
  assert source.num_input_examples('train') == 3
  assert len(list(source.get_dataset('train', shuffle=False))) == 3


def test_sequences_of_objects_as_either_form(folder, target):
  def row(number, answers):
    return {
      'id': str(number),
      'title': '',
      'context': 'c',
      'question': 'q',
      'answers': answers,
      '_split': 'train',
    }

  lists = {'text': ['x', 'y'], 'answer_start': [0, 1]}
  objects = [
    {'text': 'x', 'answer_start': 0},
    {'text': 'y', 'answer_start': 1},
  ]
  empty = {'text': [], 'answer_start': []}
  rows = [row(0, lists), row(1, objects), row(2, empty)]
  import_rows(folder({'s': ('squad/v1.1:3.0.0', rows)}), target, log=quiet)
  found = sorted(read('squad/v1.1', target, 'train'), key=lambda x: x['id'])
  assert [x['answers'] for x in found] == [lists, lists, empty]


def test_files_of_one_builder_are_merged(folder, target):
  def mnli(idx, split):
    return rte(idx=idx, split=split)

  shared = mnli(7, 'train')
  files = {
    # Twice within a file is the dataset's own affair, in two files is not.
    'a': ('glue/mnli:2.0.0', [shared, shared, mnli(1, 'validation_matched')]),
    'b': ('glue/mnli', [shared, mnli(8, 'train'), mnli(7, 'test_matched')]),
  }
  log = []
  (imported,) = import_rows(folder(files), target, log=log.append)
  assert imported.files == ['a.jsonl', 'b.jsonl']
  assert imported.rows == {
    'train': 3,
    'validation_matched': 1,
    'test_matched': 1,
  }
  assert imported.duplicates == 1
  assert any('1 rows are in several files' in line for line in log)
  found = read('glue/mnli:2.0.0', target, 'train')
  assert sorted(row['idx'] for row in found) == [7, 7, 8]


def test_obsolete_version_becomes_the_installed_one(folder, target):
  row = {
    'sentence': 's _',
    'option1': 'a',
    'option2': 'b',
    'label': 0,
    '_split': 'validation',
  }
  log = []
  files = {'winogrande': ('winogrande:1.1.0', [row])}
  (imported,) = import_rows(folder(files), target, log=log.append)
  record = json.loads((imported.path / tfds_import.RECORD_FILE).read_text())
  assert record['requested'] == ['winogrande:1.1.0']
  assert imported.builder.startswith('winogrande:1.')
  assert imported.builder != 'winogrande:1.1.0'
  assert any(
    'winogrande:1.1.0' in line and imported.builder in line for line in log
  )


def test_dataset_of_another_hub_is_written_as_tfds_names_it(folder, target):
  row = {'document': 'd', 'summary': 's', 'id': '1', '_split': 'test'}
  log = []
  files = {'xsum': ('huggingface:xsum', [row])}
  (imported,) = import_rows(folder(files), target, log=log.append)
  assert imported.builder.startswith('xsum:')
  assert any('huggingface:xsum' in line for line in log)
  assert any("no field 'id'" in line for line in log)
  assert read('xsum', target, 'test') == [{'document': 'd', 'summary': 's'}]


def test_record_names_no_folder(folder, target, tmp_path):
  (done,) = import_rows(folder({'rte': (RTE, [rte()])}), target, log=quiet)
  record = json.loads((done.path / tfds_import.RECORD_FILE).read_text())
  assert record['files'] == ['rte.jsonl']
  assert record['requested'] == [RTE]
  assert record['builder'] == RTE
  assert record['rows'] == {'train': 1}
  assert len(record['sha256']) == 64
  for path in done.path.glob('*.json'):
    assert str(tmp_path) not in path.read_text()


def test_fields_under_drop_may_come_and_go(folder, target):
  entry = {'tfds': RTE, 'drop': ['url']}
  log = []
  rows = [rte(url='u'), rte(idx=1)]
  import_rows(folder({'rte': (entry, rows)}), target, log=log.append)
  assert len(read(RTE, target, 'train')) == 2
  assert log == []


ERRORS = {
  'missing field': (
    [rte(), {k: v for k, v in rte().items() if k != 'premise'}],
    ['rte.jsonl:2', "'premise'", 'missing'],
  ),
  'misspelt field': (
    [rte(), {'premisse' if k == 'premise' else k: v for k, v in rte().items()}],
    ['rte.jsonl:2', "'premise'", 'nearest: premisse'],
  ),
  'field misspelt everywhere': (
    [{'premisse' if k == 'premise' else k: v for k, v in rte().items()}],
    ['rte.jsonl:1', "'premise'", "'premisse'"],
  ),
  'extra field': (
    [rte(), rte(note='n')],
    ['rte.jsonl:2', "'note'", 'remove it'],
  ),
  'number for text': (
    [rte(premise=3)],
    ['rte.jsonl:1', "'premise'", 'text is needed'],
  ),
  'null': ([rte(premise=None)], ["'premise'", 'not null']),
  'text for integer': (
    [rte(idx='3')],
    ["'idx'", 'an integer is needed'],
  ),
  'float for integer': ([rte(idx=1.5)], ["'idx'", '1.5']),
  'integer too large': ([rte(idx=2**40)], ["'idx'", 'int32']),
  'class out of range': (
    [rte(), rte(), rte(label=2)],
    ['rte.jsonl:3', "'label'", 'TFDS refuses', 'num_classes 2'],
  ),
  'unknown class': (
    [rte(label='entailmnt')],
    ["'label'", 'nearest: entailment'],
  ),
  'true for a class': ([rte(label=True)], ["'label'", 'by number or name']),
  'half a character': ([rte(premise='\ud800')], ["'premise'", 'surrogates']),
  'no split': (
    [rte(), {k: v for k, v in rte().items() if k != '_split'}],
    ['rte.jsonl:2', "'_split'", 'must name a split', 'not null'],
  ),
  'split with a slice': ([rte(split='train[:5]')], ["'_split'", 'train[:5]']),
  'split with a path': ([rte(split='../x')], ["'_split'"]),
  'split of TFDS': ([rte(split='all')], ["'_split'"]),
  'not JSON': ([rte(), '{"premise":'], ['rte.jsonl:2', 'JSON']),
  'not an object': (['[1]'], ['rte.jsonl:1', 'object']),
  'no rows': ([], ['rte.jsonl', 'no rows']),
}


@pytest.mark.parametrize('case', ERRORS)
def test_error_names_file_line_field_and_leaves_nothing(case, folder, target):
  rows, expected = ERRORS[case]
  # A dataset that is right and comes first must not appear either.
  cb = [rte(label=2)]
  path = folder({'cb': ('super_glue/cb:1.0.2', cb), 'rte': (RTE, rows)})
  with pytest.raises(ImportRowsError) as caught:
    import_rows(path, target, log=quiet)
  for part in expected:
    assert part in str(caught.value)
  assert contents(target) == []


def test_error_inside_a_sequence_names_its_place(folder, target):
  row = {
    'id': '1',
    'title': '',
    'context': 'c',
    'question': 'q',
    'answers': {'text': ['x', 4], 'answer_start': [0, 1]},
    '_split': 'train',
  }
  path = folder({'s': ('squad/v1.1:3.0.0', [row])})
  with pytest.raises(
    ImportRowsError, match=r"s\.jsonl:1: .*'answers.text\[1\]"
  ):
    import_rows(path, target, log=quiet)
  row['answers'] = {'text': ['x'], 'answer_start': [0, 1]}
  write_rows(path / 's.jsonl', [row])
  with pytest.raises(ImportRowsError, match='differ in length'):
    import_rows(path, target, log=quiet)


@pytest.mark.parametrize(
  'entry, expected',
  [
    ('super_glu/rte', ['super_glu', 'super_glue', 'features']),
    ('super_glue/rtee', ['rtee', 'nearest: rte']),
    ('super glue', ['is not a TFDS name']),
    ('super_glue/..:1.0.2', ['is not a TFDS name']),
    ({'tfds': 'mine/..', 'features': {'x': 'text'}}, ["'mine/..'"]),
    ('glue/mnli/a=1', ['is not a TFDS name']),
    ({'builder': RTE}, ['meta.json: rte', 'needs "tfds"']),
    ({'tfds': RTE, 'drop': 'idx'}, ['"drop" must be a list']),
    ({'tfds': RTE, 'features': {'premise': 'text'}}, ['remove "features"']),
    (
      {'tfds': 'mine', 'features': {'premise': 'txt'}},
      ['premise', "'txt'", '"float32"'],
    ),
    ({'tfds': 'mine', 'features': {'label': ['one']}}, ['label', 'class']),
    ({'tfds': 'mine', 'features': {'label': ['a', 'a']}}, ['named twice']),
    ({'tfds': 'mine', 'features': []}, ['features']),
    (
      {'tfds': 'mine', 'features': {'x': {'sequence': 'strings'}}},
      ['x', "'strings'"],
    ),
    (
      {'tfds': 'mine:1.*.*', 'features': {'x': 'text'}},
      ['1.*.*', 'is not a TFDS name'],
    ),
  ],
)
def test_wrong_entry_says_what_to_write(entry, expected, folder, target):
  with pytest.raises(ImportRowsError) as caught:
    import_rows(folder({'rte': (entry, [rte()])}), target, log=quiet)
  for part in expected:
    assert part in str(caught.value)
  assert contents(target) == []


OWN = {
  'tfds': 'lab_reviews:2.0.0',
  'features': {
    'text': 'text',
    'label': ['neg', 'pos'],
    'score': 'float32',
    'stars': 'int64',
    'seen': 'bool',
    'options': {'sequence': 'text'},
    'tags': {'sequence': ['dull', 'loud', 'long']},
  },
}
OWN_ROW = {
  'text': 'Fine.',
  'label': 'pos',
  'score': 1,
  'stars': 5,
  'seen': True,
  'options': ['a', 'b', 'c'],
  'tags': ['long', 0],
  '_split': 'train',
}


def test_dataset_without_a_builder(folder, target):
  import seqio
  import tensorflow_datasets as tfds

  (done,) = import_rows(folder({'own': (OWN, [OWN_ROW])}), target, log=quiet)
  assert done.builder == 'lab_reviews:2.0.0'
  builder = tfds.builder('lab_reviews', data_dir=str(target))
  assert builder.info.features['label'].names == ['neg', 'pos']
  assert builder.info.features['tags'].names == ['dull', 'loud', 'long']
  (row,) = read('lab_reviews', target, 'train')
  assert row == {
    **stored(OWN_ROW),
    'label': 1,
    'score': 1.0,
    'tags': [2, 0],
  }
  source = seqio.TfdsDataSource(
    'lab_reviews:2.0.0', splits=['train'], tfds_data_dir=str(target)
  )
  assert source.num_input_examples('train') == 1


def test_dataset_without_a_builder_has_configs_and_a_version(folder, target):
  entry = {'tfds': 'lab_notes/short', 'features': {'text': 'text'}}
  rows = [{'text': 'x', '_split': 'validation'}]
  (done,) = import_rows(folder({'own': (entry, rows)}), target, log=quiet)
  assert done.builder == 'lab_notes/short:1.0.0'
  assert read('lab_notes/short', target, 'validation') == [{'text': 'x'}]
  assert read('lab_notes', target, 'validation') == [{'text': 'x'}]


def test_same_rows_are_up_to_date_and_others_replace_them(folder, target):
  path = folder({'rte': (RTE, [rte(idx=1), rte(idx=2, label='entailment')])})
  (first,) = import_rows(path, target, log=quiet)
  stamp = (first.path / 'features.json').stat().st_ino
  # The name of a class or its number: the same row.
  folder({'rte': (RTE, [rte(idx=1), rte(idx=2, label=0)])})
  (second,) = import_rows(path, target, log=quiet)
  assert second.status == 'up to date'
  assert (first.path / 'features.json').stat().st_ino == stamp
  log = []
  folder({'rte': (RTE, [rte(idx=9)])})
  (third,) = import_rows(path, target, log=log.append)
  assert third.status == 'replaced'
  assert any('replaces rows imported from rte.jsonl' in line for line in log)
  assert [row['idx'] for row in read(RTE, target, 'train')] == [9]
  assert not list(target.glob('.import_*'))


def test_other_features_are_another_dataset(folder, target):
  rows = [{'text': 'x', 'label': 1, '_split': 'validation'}]

  def entry(*names):
    features = {'text': 'text', 'label': list(names)}
    return {'tfds': 'lab_notes', 'features': features}

  import_rows(folder({'own': (entry('a', 'b'), rows)}), target, log=quiet)
  path = folder({'own': (entry('c', 'd'), rows)})
  (done,) = import_rows(path, target, log=quiet)
  assert done.status == 'replaced'


def test_a_download_is_never_touched(folder, target):
  path = folder({'rte': (RTE, [rte()])})
  (done,) = import_rows(path, target, log=quiet)
  # Without its record it is what TFDS would have downloaded.
  (done.path / tfds_import.RECORD_FILE).unlink()
  before = sorted(x.name for x in done.path.iterdir())
  folder({'rte': (RTE, [rte(idx=9)])})
  with pytest.raises(ImportRowsError, match='not imported'):
    import_rows(path, target, log=quiet)
  assert sorted(x.name for x in done.path.iterdir()) == before


@pytest.mark.parametrize('error', [KeyboardInterrupt, OSError])
def test_interrupted_import_leaves_what_was_there(
  error, folder, target, monkeypatch
):
  path = folder({'rte': (RTE, [rte(idx=1)])})
  import_rows(path, target, log=quiet)
  folder({'rte': (RTE, [rte(idx=2)]), 'cb': ('super_glue/cb', [rte()])})
  write = tfds_import._write

  def interrupted(dataset, rows, data_dir):
    write(dataset, rows, data_dir)
    if dataset.config == 'rte':
      raise error

  monkeypatch.setattr(tfds_import, '_write', interrupted)
  with pytest.raises(error):
    import_rows(path, target, log=quiet)
  assert [x.name for x in target.iterdir()] == ['super_glue']
  assert not (target / 'super_glue/cb').exists()
  assert [row['idx'] for row in read(RTE, target, 'train')] == [1]


def test_failed_move_brings_the_old_rows_back(folder, target, monkeypatch):
  path = folder({'rte': (RTE, [rte(idx=1)])})
  import_rows(path, target, log=quiet)
  folder({'rte': (RTE, [rte(idx=2)])})
  rename = tfds_import.os.rename

  def fails(source, destination):
    if '.import_' in str(source) and 'retired' not in str(source):
      raise OSError('no space')
    rename(source, destination)

  monkeypatch.setattr(tfds_import.os, 'rename', fails)
  with pytest.raises(OSError, match='no space'):
    import_rows(path, target, log=quiet)
  assert [row['idx'] for row in read(RTE, target, 'train')] == [1]
  assert not list(target.glob('.import_*'))


def test_what_only_tfds_can_check_names_the_row(folder, target):
  # A fixed length is in the builder's features and checked by TFDS alone.
  row = {'image': [[1]], 'label': 0, '_split': 'test'}
  path = folder({'mnist': ('mnist', [row])})
  with pytest.raises(ImportRowsError, match=r'mnist\.jsonl:1: .*TFDS refuses'):
    import_rows(path, target, log=quiet)
  assert contents(target) == []


def test_no_network(folder, target, monkeypatch):
  def refuse(*args, **kwargs):
    raise AssertionError('a connection was attempted')

  monkeypatch.setattr(socket.socket, 'connect', refuse)
  monkeypatch.setattr(socket, 'getaddrinfo', refuse)
  import_rows(folder({'rte': (RTE, [rte()])}), target, log=quiet)


def test_input_that_is_not_there(folder, target, tmp_path):
  with pytest.raises(ImportRowsError, match='does not exist'):
    import_rows(tmp_path / 'nowhere', target)
  (tmp_path / 'empty').mkdir()
  with pytest.raises(ImportRowsError, match=r'no \*\.jsonl'):
    import_rows(tmp_path / 'empty', target)
  write_rows(tmp_path / 'empty/rte.jsonl', [rte()])
  with pytest.raises(ImportRowsError, match=r'meta\.json is missing'):
    import_rows(tmp_path / 'empty', target)
  (tmp_path / 'empty/meta.json').write_text('{"rtee": {}}')
  with pytest.raises(ImportRowsError, match=r'no entry for rte\.jsonl'):
    import_rows(tmp_path / 'empty', target, log=quiet)
  with pytest.raises(ImportRowsError, match='local folder'):
    import_rows(tmp_path / 'empty', 'gs://bucket/tfds')
  assert not target.exists()


def test_command_imports_one_file_by_its_builder(target, tmp_path, capsys):
  write_rows(tmp_path / 'mine.jsonl', [rte(), rte(split='validation')])
  flags = [f'--input={tmp_path}/mine.jsonl', f'--data_dir={target}']
  assert import_data.main([*flags, f'--builder={RTE}']) == 0
  assert capsys.readouterr().out == (
    'super_glue/rte:1.0.2: train 1, validation 1 (new)\n'
  )
  with pytest.raises(ImportRowsError, match=r'meta\.json is missing'):
    import_data.main(flags)


def test_import_of_the_module_loads_no_tensorflow():
  code = (
    'import sys, flan_jax.sources.tfds_import, flan_jax.runs.import_data;'
    'assert not {"tensorflow", "tensorflow_datasets"} & set(sys.modules)'
  )
  subprocess.run([sys.executable, '-c', code], check=True)


def test_mini_corpus_imports(target):
  log = []
  done = import_rows(tfds_import.mini_corpus(), target, log=log.append)
  # Nothing is left out, dropped, repeated or of a version TFDS lacks.
  assert log == []
  files = {name for imported in done for name in imported.files}
  meta = json.loads((tfds_import.mini_corpus() / 'meta.json').read_text())
  assert files == {f'{stem}.jsonl' for stem in meta}


@pytest.mark.slow
def test_real_rows_import_and_read_back(real_data, target):
  import tensorflow_datasets as tfds

  real_data = pathlib.Path(real_data)
  done = import_rows(real_data, target, log=quiet)
  files = [name for imported in done for name in imported.files]
  assert sorted(files) == sorted(x.name for x in real_data.glob('*.jsonl'))
  for imported in done:
    rows = [
      json.loads(line)
      for name in imported.files
      for line in (real_data / name).open(encoding='utf-8')
    ]
    features = tfds.builder(
      imported.builder, data_dir=str(target)
    ).info.features
    for split, count in imported.rows.items():
      found = read(imported.builder, target, split)
      assert len(found) == count
      expected = [
        stored({k: v for k, v in row.items() if k in features})
        for row in rows
        if row['_split'] == split
      ]
      unique = {json.dumps(row, sort_keys=True) for row in expected}
      assert {json.dumps(row, sort_keys=True) for row in found} == unique
