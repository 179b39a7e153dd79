"""The registry is shown as a tree with the state of each dataset."""

import pytest

from flan_jax.definitions import registry
from flan_jax.inspection import datasets
from flan_jax.terminal.blocks import plain
from tests.inspection.pretend_copy import pretend_copy

registry.load()


def _by_name(data_dir) -> dict:
  found = datasets.describe(str(data_dir))
  return {dataset['name']: dataset for dataset in found['datasets']}


def test_every_dataset_is_described(tmp_path):
  found = datasets.describe(str(tmp_path))
  # Other tests may have registered more.
  registered = [d.name for d in registry.datasets() if d.cluster != 'extras']
  assert [d['name'] for d in found['datasets']] == registered
  assert [d['name'] for d in found['extras']] == ['true_case', 'word_segment']
  by_name = _by_name(tmp_path)
  anli = by_name['anli']
  assert anli['cluster'] == 'nli'
  assert anli['parts'] == ['anli_r1', 'anli_r2', 'anli_r3']
  assert anli['tfds'] == ['anli/r1:0.1.0', 'anli/r2:0.1.0', 'anli/r3:0.1.0']
  assert anli['train_rows'] == 16946 + 30000 + 30000
  assert (anli['templates'], anli['inverted']) == (10, 2)
  assert set(anli['choices']) == {'e', 'n', 'c'}
  assert anli['metrics'] == ['accuracy']
  assert anli['status'] == 'to download'
  # Parts that are only evaluated add no training rows.
  assert by_name['mnli']['tfds'] == 'glue/mnli:2.0.0'
  assert by_name['mnli']['train_rows'] == 30000


def test_a_dataset_is_prepared_when_all_its_parts_are(tmp_path):
  pretend_copy(tmp_path, 'anli/r1/0.1.0', train=20, validation=5, test=5)
  pretend_copy(tmp_path, 'super_glue/rte/1.0.2', train=2490, validation=277)
  by_name = _by_name(tmp_path)
  assert by_name['anli']['status'] == 'to download'
  assert by_name['anli']['part_status'] == ['prepared'] + 2 * ['to download']
  assert by_name['rte']['status'] == 'prepared'
  assert by_name['rte']['command'] is None
  assert by_name['rte']['prepared_train_rows'] == 2290
  command = by_name['cb']['command']
  assert command == f'flan-jax prepare cb --data_dir={tmp_path}'


@pytest.fixture(scope='module')
def tree(tmp_path_factory):
  """The lines of the tree, and its data directory."""
  folder = tmp_path_factory.mktemp('data')
  pretend_copy(folder, 'super_glue/rte/1.0.2', train=2490, validation=277)
  pretend_copy(folder, 'glue/wnli/2.0.0', train=30, validation=70)
  found = datasets.lines(datasets.describe(str(folder)))
  return plain(found).splitlines(), folder


def test_the_tree_shows_rows_templates_and_state(tree):
  lines, folder = tree
  by_name = {line.split()[0]: line for line in lines if line}
  assert by_name['rte'].split() == ['rte', '2,290', '10', '(1)', 'prepared']
  assert by_name['wnli'].endswith('prepared, 24 rows')
  assert by_name['snli'].endswith('to download')
  assert '  anli_r2' in '\n'.join(lines)
  assert 'flan_holdout_nli,' in '\n'.join(lines)
  assert any(f'flan-jax prepare NAME --data_dir={folder}' in s for s in lines)


def test_the_tree_tells_what_to_download_manually(tree):
  lines, _ = tree
  by_name = {line.split()[0]: line for line in lines if line}
  manual = [d for d in registry.datasets() if d.manual]
  assert manual
  for dataset in manual:
    assert by_name[dataset.name].endswith('manual')
    assert dataset.manual.split()[0] in '\n'.join(lines)
