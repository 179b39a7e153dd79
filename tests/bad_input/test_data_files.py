"""Files of data that cannot be read: one line that names the file."""

import errno
import gzip
import json
import os

from etils import epath
import pytest

from flan_jax.cache import cached_split
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.storage import CacheError
from flan_jax.definitions import template_set
from flan_jax.errors import UserError
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.prompts import prompt_tokens, read_prompts
from flan_jax.evaluation.recorded import read_recorded
from flan_jax.interop.output_folder import new_output
from flan_jax.overlap.corpus_blocks import read_blocks
from flan_jax.overlap.corpus_files import corpus_files, corpus_ranges
from flan_jax.planning.topology import Topology
from flan_jax.report.sources import read_sources
from flan_jax.runtime import disk
from flan_jax.runtime.paths import user_path
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.strict_json import read_object
from flan_jax.sources import json_rows
from flan_jax.studies.archive import FINISHED, Archive
from flan_jax.vocabulary.hugging_face import read_config
from flan_jax.vocabulary.load import load_vocabulary
from tests.bad_input.refusal import NO_OBJECT, NOT_JSON


def _corpus(path):
  for share in corpus_ranges(corpus_files([str(path)])):
    for one in share:
      list(read_blocks(one, 3, 'text'))


def _rows(path):
  file = json_rows.SourceFile(epath.Path(path), 'x')
  json_rows.merge_rows({}, [file], print)


def _archive(path):
  class Decides:
    digest, settings_digest, settings, data = 'x', 'x', {}, {}

  Archive(path.parents[2]).find('runs', Decides())


# Name of a file, and what reads it.
_READERS = {
  'set.json': lambda path: template_set.load(str(path)),
  'seen.json': Contaminated.read,
  'prompts.jsonl': read_prompts,
  'meta.json': lambda path: json_rows.find_files(
    epath.Path(path.parent), None, print
  ),
  'rows.jsonl': _rows,
  'corpus.jsonl': _corpus,
  'tokenizer_config.json': lambda path: read_config(path.parent),
  'results.json': lambda path: read_sources([path.parent]),
  'study.json': lambda path: read_sources([path]),
  f'runs/x/{FINISHED}': _archive,
}


def _line(read, path):
  with pytest.raises(UserError) as refused:
    read(path)
  line = str(refused.value)
  assert line.isprintable(), line
  assert len(line) < 1000
  return line


def _write(folder, name, content):
  path = folder / name
  path.parent.mkdir(parents=True, exist_ok=True)
  path.write_bytes(content)
  (folder / 'other.jsonl').touch()  # A folder of rows has some.
  return path


@pytest.mark.parametrize(
  'name, case',
  [
    (name, case)
    for name in _READERS
    for case, content in {**NOT_JSON, **NO_OBJECT}.items()
    # A corpus may have empty files.
    if content or name != 'corpus.jsonl'
  ],
)
def test_a_file_that_is_not_an_object_of_json(name, case, tmp_path):
  path = _write(tmp_path, name, {**NOT_JSON, **NO_OBJECT}[case])
  assert path.name in _line(_READERS[name], path)


@pytest.mark.parametrize('case', {**NOT_JSON, **NO_OBJECT})
def test_a_request_that_is_not_an_object_of_json(case):
  with pytest.raises(ApiError):
    read_object({**NOT_JSON, **NO_OBJECT}[case])


@pytest.mark.parametrize('content', NOT_JSON)
def test_results_to_compare_with_a_corpus(content, tmp_path):
  path = _write(tmp_path, 'results.json', NOT_JSON[content])
  line = _line(lambda p: read_recorded(p.parent, tmp_path, ['rte']), path)
  assert 'results.json' in line


_SETS = {
  'an unknown dataset': {'nope': [['{text}', '{answer}']]},
  'no template': {'rte': []},
  'a number': {'rte': 3},
  'null': {'rte': None},
  'a text': {'rte': ['{premise}']},
  'three texts': {'rte': [['a', 'b', 'c']]},
  'an input that is a number': {'rte': [{'input': 3}]},
  'no input': {'rte': [{'target': 'x'}]},
  'an unknown key': {'rte': [{'input': '{premise}', 'weight': 1}]},
  'an open brace': {'rte': [['{premise', '{answer}']]},
  'a closed brace': {'rte': [['premise}', '{answer}']]},
  'an attribute': {'rte': [['{premise.__class__}', '{answer}']]},
  'an index': {'rte': [['{premise[0]}', '{answer}']]},
  'a conversion': {'rte': [['{premise!r}', '{answer}']]},
  'a format': {'rte': [['{premise:>99999999999}', '{answer}']]},
  'a number as a field': {'rte': [['{0}', '{answer}']]},
  'no name': {'rte': [['{}', '{answer}']]},
  'an unknown field': {'rte': [['{premisse}', '{answer}']]},
  'only spaces': {'rte': [['  ', '{answer}']]},
  'a class that is a number': {
    'rte': [{'input': '{premise}', 'target': '{answer}', 'only_if': [3]}]
  },
  'classes that are a text': {
    'rte': [{'input': '{premise}', 'target': '{answer}', 'only_if': 'yes'}]
  },
  'a group that is a list': {'rte': [{'input': '{premise}', 'group': []}]},
  'an unknown group': {
    'rte': [{'input': '{premise}\n{options}', 'group': 'x'}]
  },
}


@pytest.mark.parametrize('case', _SETS)
def test_a_template_set_that_cannot_be(case, tmp_path):
  path = _write(tmp_path, 'set.json', json.dumps(_SETS[case]).encode())
  assert 'set.json' in _line(template_set.load, str(path))


@pytest.mark.parametrize(
  'content',
  [
    b'',
    b'A = ' + b'[' * 100_000,
    b'A = {"rte": ' + b'-' * 100_000 + b'1}',
    b'A = {"rte": ' + b'9' * 10_000 + b'}',
    b'A = {1: []}',
    b'A = {None: []}',
    b'A = {b"rte": []}',
    b'A = {"rte": [], "rte": []}',
    b'A = {**x}',
    b'A = {"rte": __import__("os")}',
    b'A = {"rte": [f"{x}"]}',
    b'A = {"rte": {1, 2}}',
    b'A = {"rte": [1]}\0',
    b'\xff',
    b'def f(:',
    b'A = {}\nB = {}',
    b'A = {"rte": 1j}',
  ],
)
def test_a_python_set_that_is_not_one_dictionary_of_texts(content, tmp_path):
  path = _write(tmp_path, 'set.py', content)
  assert 'set.py' in _line(template_set.load, str(path))


@pytest.mark.parametrize(
  'listed',
  [
    {'nope': []},
    {'rte': 'a'},
    {'rte': [1]},
    {'rte': {'a': 1}},
    {'rte': None},
    {'rte': [['a']]},
  ],
)
def test_a_list_of_contaminated_rows(listed, tmp_path):
  path = _write(tmp_path, 'seen.json', json.dumps(listed).encode())
  assert 'seen.json' in _line(Contaminated.read, path)


@pytest.mark.parametrize(
  'name, content',
  [
    ('p.txt', b''),
    ('p.txt', b'\n\n'),
    ('p.txt', b'a\n\nb'),
    ('p.txt', b'a\n\xff\n'),
    ('p.jsonl', b'{"question": "x"}'),
    ('p.jsonl', b'{"prompt": 3}'),
    ('p.jsonl', b'{"prompt": null}'),
    ('p.jsonl', b'{"prompt": ["a"]}'),
    ('p.jsonl', b'{"prompt": "a", "generated": "b"}'),
    ('p.jsonl', b'{"prompt": "\\ud800"}'),
    ('p.jsonl', b'{"prompt": "a", "prompt": "b"}'),
    ('p.jsonl', b'{"prompt": "a"}\n' + b'[' * 100_000),
    ('p.jsonl', b'{"\x1b[2J": "a"}'),
    ('p.jsonl', json.dumps({'x' * 10**6: 'a'}).encode()),
  ],
)
def test_prompts_that_cannot_be(name, content, tmp_path):
  path = _write(tmp_path, name, content)
  assert name in _line(read_prompts, path)


@pytest.mark.parametrize('text', ['x' * 10**6, 'word ' * 200_000])
def test_a_prompt_of_a_megabyte(text, tmp_path):
  (prompt,) = read_prompts(_write(tmp_path, 'p.txt', text.encode()))
  vocabulary = load_vocabulary('mini')
  framing = Framing.of(CacheConfig('cache'), vocabulary)
  line = _line(
    lambda path: prompt_tokens([prompt], vocabulary, framing, 128), tmp_path
  )
  assert 'p.txt:1: the prompt has ' in line and 'shorten it' in line


_TEXT = b'some words of a corpus ' * 1000


def _gzip(content):
  # The names of tests hold the bytes, and are the same in all workers.
  return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
  'name, content',
  [
    ('c.txt.gz', _gzip(_TEXT)[:-9]),
    ('c.txt.gz', _gzip(_TEXT)[:40]),
    ('c.txt.gz', b'no gzip'),
    ('c.jsonl.gz', _gzip(b'[' * 100_000)),
    ('c.txt', bytes(100)),
    ('c.jsonl', b'{"text": 3}'),
    ('c.jsonl', b'{"body": "x"}'),
    ('c.txt.zst', b'no zstd'),
    ('c.txt.zst', b'\x28\xb5\x2f\xfd' + bytes(3)),
  ],
)
def test_a_corpus_that_cannot_be_read(name, content, tmp_path):
  if name.endswith('.zst'):
    pytest.importorskip('zstandard')
  assert name in _line(_corpus, _write(tmp_path, name, content))


@pytest.mark.parametrize(
  'name',
  [
    '',
    'v4',
    'v4:',
    'v4:0',
    'v4:-1',
    'v4:1x',
    'v4:2x2x2x2',
    'v5e:2x2x2',
    '0*v5e:2x2',
    'v9:2x2',
    'V4:2x2x1',
    'v4:2,2,1',
    'v4:٣x٣x١',
    'v4:1000000000',
    'cpu:' + '9' * 5000,
    '99999999*v5e:1x1',
    'h100:100000',
    'v4:2x2x1\n',
    'cpu:1e3',
    'v4:2x2x1; rm',
  ],
)
def test_a_topology_that_cannot_be(name):
  _line(Topology.parse, name)


@pytest.mark.parametrize('path', ['a\0b', 'x' * 256, 'é' * 200, 'a/' * 3000])
def test_a_path_that_no_file_can_have(path):
  _line(user_path, path)


@pytest.mark.parametrize('read', [template_set.load, Contaminated.read])
@pytest.mark.parametrize('name', ['missing.json', 'folder.json'])
def test_a_path_that_is_no_file(read, name, tmp_path):
  (tmp_path / 'folder.json').mkdir()
  assert name in _line(read, str(tmp_path / name))


@pytest.mark.parametrize(
  'error, refused',
  [
    (PermissionError(errno.EACCES, 'no', 'x'), True),
    (FileExistsError(errno.EEXIST, 'no', 'x'), True),
    (NotADirectoryError(errno.ENOTDIR, 'no', 'x'), True),
    (OSError(errno.EROFS, 'no', 'x'), True),
    (OSError(errno.ENOSPC, 'no', 'x'), True),
    # Bugs, which keep their traceback.
    (FileNotFoundError(errno.ENOENT, 'no', 'x'), False),
    (PermissionError(errno.EACCES, 'no'), False),
    (BrokenPipeError(errno.EPIPE, 'no', 'x'), False),
    (ValueError('no'), False),
  ],
)
def test_an_error_of_the_file_system_is_the_users(error, refused):
  assert (disk.problem(error) is not None) == refused


@pytest.mark.parametrize(
  'out', ['file', 'file/out', 'loop', '', 'a\0', 'x' * 300]
)
def test_a_folder_that_cannot_be_written(out, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'file').touch()
  (tmp_path / 'loop').symlink_to('loop')
  with pytest.raises(UserError), new_output(out):
    pass
  assert sorted(os.listdir()) == ['file', 'loop']


@pytest.mark.parametrize(
  'name',
  ['../x', '/etc', 'shard-1-of-1', '', 'shard-00000-of-00001/..', 3, None],
)
def test_a_manifest_names_nothing_outside_of_its_folder(name, tmp_path):
  shard = {'name': name, 'files': {'tokens.bin': {}}}
  manifest = {'layout': cached_split.LAYOUT, 'shards': [shard]}
  path = _write(tmp_path, 'manifest.json', json.dumps(manifest).encode())
  with pytest.raises(CacheError, match='is damaged'):
    cached_split.CachedSplit(path.parent)


def test_a_manifest_names_no_other_file(tmp_path):
  shard = {'name': 'shard-00000-of-00001', 'files': {'../x': {}}}
  manifest = {'layout': cached_split.LAYOUT, 'shards': [shard]}
  path = _write(tmp_path, 'manifest.json', json.dumps(manifest).encode())
  with pytest.raises(CacheError, match='is damaged'):
    cached_split.CachedSplit(path.parent)


def test_a_file_without_permission(tmp_path):
  if os.geteuid() == 0:
    pytest.skip('the superuser may read every file')
  path = _write(tmp_path, 'seen.json', b'{}')
  path.chmod(0)
  assert 'cannot be read' in _line(Contaminated.read, path)
