"""Prompts are the same as when they were last reviewed.

After an intended change, run `python -m tests.golden.regenerate` and review the
diff.
"""

import pytest

from flan_jax.definitions import registry
from tests.golden.regenerate import FOLDER, golden_text

registry.load()

_DATASETS = [d for d in registry.datasets() if d.cluster != 'testing']
# The everyday lane checks one dataset of some clusters.
_EVERYDAY = {
  d.cluster: d
  for d in _DATASETS
  if d.cluster in ('commonsense', 'nli', 'sentiment', 'translation')
}.values()


def _case(dataset):
  marks = () if dataset in _EVERYDAY else pytest.mark.slow
  return pytest.param(dataset, id=dataset.name, marks=marks)


@pytest.mark.parametrize('dataset', list(map(_case, _DATASETS)))
def test_prompts_are_as_reviewed(dataset, mini_data):
  path = FOLDER / f'{dataset.name}.txt'
  assert path.exists(), 'run python -m tests.golden.regenerate'
  assert golden_text(dataset, mini_data) == path.read_text(encoding='utf-8')


def test_every_dataset_has_a_golden_file_and_no_other():
  assert {p.stem for p in FOLDER.glob('*.txt')} == {d.name for d in _DATASETS}
