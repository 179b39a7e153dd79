"""What is finished is found by all that decides it, and by nothing less."""

import json

import pytest

from flan_jax.errors import UserError
from flan_jax.runtime.recorded_files import DIGESTS
from flan_jax.studies.archive import EVALUATIONS, FINISHED, RUNS, Archive
from flan_jax.studies.cell_digest import Decides

_DECIDES = Decides({'steps': 3}, {'rte.train': 'd1'})


@pytest.fixture
def archive(tmp_path):
  return Archive(str(tmp_path / 'here'))


def test_a_finished_run_is_found_with_its_facts(archive):
  assert archive.find(RUNS, _DECIDES) is None
  made = archive.finish(RUNS, _DECIDES, {'params': 7})
  found = archive.find(RUNS, _DECIDES)
  assert found == made
  assert found.folder == archive.path(RUNS, _DECIDES.digest)
  assert found.digest == _DECIDES.digest
  assert found.facts == {
    'settings': {'steps': 3},
    'settings_digest': _DECIDES.settings_digest,
    'data': {'rte.train': 'd1'},
    'params': 7,
  }


@pytest.mark.parametrize(
  'other',
  [
    Decides({'steps': 4}, _DECIDES.data),
    Decides({'steps': 3}, {'rte.train': 'd2'}),
  ],
)
def test_other_settings_or_data_find_nothing(archive, other):
  archive.finish(RUNS, _DECIDES, {})
  assert archive.find(RUNS, other) is None


def test_a_run_is_no_evaluation(archive):
  archive.finish(RUNS, _DECIDES, {})
  assert archive.find(EVALUATIONS, _DECIDES) is None


def test_a_folder_without_its_last_file_is_not_found(archive):
  folder = archive.path(RUNS, _DECIDES.digest)
  (folder / 'checkpoints').mkdir(parents=True)
  assert archive.find(RUNS, _DECIDES) is None
  assert archive.find(RUNS, Decides(_DECIDES.settings, None)) is None


def _reader(archive, folder):
  """Returns an archive of another folder that reads this one."""
  return Archive(str(folder / 'reader'), [str(archive.folder)])


def test_where_data_is_unknown_the_settings_find_one_result(archive, tmp_path):
  unknown = Decides(_DECIDES.settings, None)
  archive.finish(RUNS, Decides({'steps': 4}, _DECIDES.data), {})
  assert _reader(archive, tmp_path).find(RUNS, unknown) is None
  made = archive.finish(RUNS, _DECIDES, {})
  assert _reader(archive, tmp_path).find(RUNS, unknown) == made
  # Here, the data may have changed since.
  assert archive.find(RUNS, unknown) is None


def test_settings_that_find_results_of_different_data_are_an_error(
  archive, tmp_path
):
  for data in ('d1', 'd2'):
    archive.finish(RUNS, Decides(_DECIDES.settings, {'rte.train': data}), {})
  with pytest.raises(UserError, match='different data: prepare the data here'):
    _reader(archive, tmp_path).find(RUNS, Decides(_DECIDES.settings, None))


def test_other_folders_are_read_after_the_own_and_never_written(tmp_path):
  there = Archive(str(tmp_path / 'there'))
  made = there.finish(RUNS, _DECIDES, {'from': 'there'})
  here = Archive(str(tmp_path / 'here'), [str(tmp_path / 'there')])
  assert here.find(RUNS, _DECIDES) == made
  # The same result in two places is one result.
  own = here.finish(RUNS, _DECIDES, {'from': 'here'})
  assert here.find(RUNS, _DECIDES) == own
  assert here.find(RUNS, Decides(_DECIDES.settings, None)).digest == made.digest
  here.finish(EVALUATIONS, _DECIDES, {})
  assert not (tmp_path / 'there' / EVALUATIONS).exists()


def test_another_folder_must_be_one_of_a_study(tmp_path):
  (tmp_path / 'there').mkdir()
  with pytest.raises(UserError, match=r'--from=.*there: there is no runs/'):
    Archive(str(tmp_path / 'here'), [str(tmp_path / 'there')])


@pytest.mark.parametrize('text', ['', '{"settings": ', '[]', '{"data": {}}'])
def test_a_damaged_record_is_named_with_the_fix(archive, tmp_path, text):
  made = archive.finish(RUNS, _DECIDES, {})
  (made.folder / FINISHED).write_text(text)
  for reader, decides in (
    (archive, _DECIDES),
    (_reader(archive, tmp_path), Decides(_DECIDES.settings, None)),
  ):
    with pytest.raises(UserError, match=f'{FINISHED} .*: remove it'):
      reader.find(RUNS, decides)


def test_a_record_is_readable_and_another_one_is_noticed(archive):
  made = archive.finish(RUNS, _DECIDES, {'params': 7})
  found = {path.name for path in made.folder.iterdir()}
  assert found == {FINISHED, DIGESTS}
  path = made.folder / FINISHED
  assert json.loads(path.read_text())['params'] == 7
  path.write_text(path.read_text().replace('7', '8'))
  with pytest.raises(UserError, match=f'{FINISHED} is not as it was.*remove'):
    archive.find(RUNS, _DECIDES)
