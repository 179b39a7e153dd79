"""`flan-jax prepare`, with builders that pretend to download."""

import itertools
import pathlib

import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.translate import wmt

from flan_jax import cli as command_line
from flan_jax.definitions import registry
from flan_jax.definitions.registry import Member, Mixture

registry.load()

_MANUAL = 'samsum'
_SOURCES = ('glue/mnli:2.0.0', 'super_glue/cb:1.0.2', 'super_glue/rte:1.0.2')


@pytest.fixture
def mixture(monkeypatch) -> str:
  """A mixture of several parts of one source, others, and a manual one."""
  parts = ('mnli', 'cb', 'mnli_matched', 'rte', _MANUAL)
  members = tuple(Member(part) for part in parts)
  found = Mixture('for_this_test', members, purpose='eval')
  # Registered for this test alone.
  monkeypatch.setitem(registry._MIXTURES, found.name, found)
  return found.name


@pytest.fixture
def tried(monkeypatch) -> list[str]:
  """Has builders leave what TFDS leaves; returns the sources tried."""
  sources = []

  class Builder:
    def __init__(self, source, data_dir):
      self.source, self.data_dir = source, data_dir

    def download_and_prepare(self):
      sources.append(self.source)
      error = _ERRORS.get(self.source)
      if error:
        raise error
      name, _, version = self.source.partition(':')
      folder = pathlib.Path(self.data_dir, name, version)
      folder.mkdir(parents=True)
      (folder / 'dataset_info.json').write_text('{"splits": []}')

  monkeypatch.setattr(tfds, 'builder', Builder)
  monkeypatch.setattr(f'{__name__}._ERRORS', {})
  return sources


# Source -> what its download ends in.
_ERRORS: dict[str, Exception] = {}


@pytest.fixture
def prepare(capsys, tmp_path):
  """Runs the command in this process; returns (exit code, output)."""

  def run(name, *arguments):
    flags = [name, f'--data_dir={tmp_path}', *arguments]
    code = command_line.main(['prepare', *flags])
    out, error = capsys.readouterr()
    return code, out + error

  return run


def _put_manually(folder: pathlib.Path, name: str) -> None:
  manual = folder / 'downloads' / 'manual'
  manual.mkdir(parents=True)
  (manual / name).write_text('')


def test_each_source_is_downloaded_once_and_never_again(
  prepare, tried, mixture
):
  code, out = prepare(mixture)
  assert code == 0 and tried == list(_SOURCES)
  assert '[3/3] super_glue/rte:1.0.2' in out
  code, out = prepare(mixture)
  assert code == 0 and tried == list(_SOURCES)
  assert '3 prepared, 0 to download, 1 manual' in out


def test_one_that_fails_is_reported_when_all_have_been_tried(
  prepare, tried, mixture
):
  _ERRORS['super_glue/cb:1.0.2'] = OSError('the disk is full')
  code, out = prepare(mixture)
  assert code == 1 and tried == list(_SOURCES)
  assert 'failed; the same command tries them again' in out
  assert 'OSError: the disk is full' in out
  _ERRORS.clear()
  assert prepare(mixture)[0] == 0
  assert tried[3:] == ['super_glue/cb:1.0.2']


def test_a_dry_run_downloads_nothing(prepare, tried, mixture, tmp_path):
  code, out = prepare(mixture, '--dry_run')
  assert code == 0 and not tried and not list(tmp_path.iterdir())
  for source in _SOURCES:
    assert f'would download {source}' in out
  assert 'corpus.7z' in out and f'{tmp_path}/downloads/manual' in out


def test_manual_downloads_are_listed_and_not_tried(prepare, tried, tmp_path):
  code, out = prepare(_MANUAL)
  assert code == 0 and not tried
  assert f'{tmp_path}/downloads/manual; then run' in out
  assert 'https://arxiv.org/src/1911.12237v2/anc/corpus.7z' in out
  assert 'TFDS: Download' in out


def test_manual_files_are_prepared(prepare, tried, tmp_path):
  _put_manually(tmp_path, 'train.json')
  code, out = prepare(_MANUAL)
  assert code == 0 and tried == ['samsum:1.0.0']
  assert 'manually' not in out
  assert '1 prepared' in prepare(_MANUAL)[1]


@pytest.mark.parametrize('error', [AssertionError, FileNotFoundError])
def test_files_of_another_dataset_are_no_failure(
  prepare, tried, tmp_path, error
):
  _put_manually(tmp_path, 'of_another_dataset.json')
  _ERRORS['samsum:1.0.0'] = error('no train.json')
  code, out = prepare(_MANUAL)
  assert code == 0 and tried == ['samsum:1.0.0']
  assert 'manually' in out and 'failed' not in out


def test_damaged_files_are_a_failure(prepare, tried, tmp_path):
  _put_manually(tmp_path, 'train.json')
  _ERRORS['samsum:1.0.0'] = ValueError('no JSON')
  code, out = prepare(_MANUAL)
  assert code == 1 and 'ValueError: no JSON' in out


def test_a_file_missing_from_a_download_is_a_failure(prepare, tried):
  _ERRORS['super_glue/rte:1.0.2'] = FileNotFoundError('train.jsonl')
  code, out = prepare('rte')
  assert code == 1 and 'FileNotFoundError: train.jsonl' in out


def test_a_dataset_that_tfds_lacks_needs_an_import(prepare, tried):
  missing = tfds.core.registered.DatasetNotFoundError('no such dataset')
  _ERRORS['rule:1.0.0'] = missing
  code, out = prepare('rule', '--task_module=flan_jax.testing.rule')
  assert code == 1 and 'flan-jax import-data' in out


def test_a_dataset_named_as_a_whole_has_all_its_parts(prepare, tried):
  assert prepare('anli')[0] == 0
  assert tried == ['anli/r1:0.1.0', 'anli/r2:0.1.0', 'anli/r3:0.1.0']


def test_mistakes_are_one_line(capsys):
  for arguments, message in (
    (['flan_holdout_nil'], 'nearest: flan_holdout_nli'),
    ([], 'required: name'),
    (['rte', '--data_dir=mini'], 'nothing to prepare'),
  ):
    assert command_line.main(['prepare', *arguments]) == 2
    out, error = capsys.readouterr()
    assert message in error and error.count('\n') == 1 and not out


def _manual_files(builder) -> list[str]:
  """Returns the manual files of a WMT builder for its pair of languages."""
  language, _ = builder.builder_config.language_pair
  subsets = itertools.chain.from_iterable(builder.subsets.values())
  return [
    file
    for name in subsets
    for file in wmt.DATASET_MAP[name].get_manual_dl_files(language)
  ]


def test_datasets_declare_what_tfds_does_not_download(tmp_path):
  seen = set()
  for part in (part for _, part in registry.parts().values()):
    if part.cluster == 'testing':
      continue
    name = part.source.partition(':')[0].partition('/')[0]
    cls = tfds.builder_cls(name)
    needs = bool(cls.MANUAL_DOWNLOAD_INSTRUCTIONS)
    if issubclass(cls, wmt.WmtTranslate):
      # All of these have instructions, a few pairs have files.
      files = _manual_files(tfds.builder(part.source, data_dir=str(tmp_path)))
      needs = bool(files)
      assert all(file in part.manual for file in files), part.name
    assert bool(part.manual) == needs, part.name
    seen.add(needs)
  assert seen == {True, False}
