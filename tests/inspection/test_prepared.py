"""Prepared copies are found and counted without TensorFlow."""

import pytest

from flan_jax.definitions import registry
from flan_jax.inspection import prepared
from flan_jax.inspection.prepared import COPY, ESTIMATE, RECORDED, Rows
from tests.inspection.pretend_copy import pretend_copy

registry.load()


def _part(name):
  return registry.find_part(name)[1]


@pytest.mark.parametrize(
  ('part', 'folder', 'sizes', 'expected'),
  [
    ('rte', 'super_glue/rte/1.0.2', {'train': 2490}, Rows(2290, COPY)),
    ('cb', 'super_glue/cb/1.0.2', {'train': 1000}, Rows(950, COPY)),
    # A small split that has to be divided.
    ('wnli', 'glue/wnli/2.0.0', {'train': 30}, Rows(24, ESTIMATE)),
    ('snli', 'elsewhere', {'train': 10}, Rows(30000, RECORDED)),
  ],
)
def test_training_rows(tmp_path, part, folder, sizes, expected):
  pretend_copy(tmp_path, folder, validation=277, **sizes)
  assert prepared.rows_of(_part(part), 'train', str(tmp_path)) == expected


def test_interrupted_downloads_and_other_versions_are_not_copies(tmp_path):
  (tmp_path / 'super_glue/cb/1.0.2.incomplete').mkdir(parents=True)
  pretend_copy(tmp_path, 'glue/qnli/1.0.0', train=9)
  # Without its config in the name, a dataset is in the folder of the default.
  pretend_copy(tmp_path, 'yelp_polarity_reviews/plain/0.2.0', train=9)
  states = {
    name: prepared.status_of(_part(name), str(tmp_path))
    for name in ('cb', 'qnli', 'yelp_polarity_reviews')
  }
  assert states == {
    'cb': 'to download',
    'qnli': 'to download',
    'yelp_polarity_reviews': 'prepared',
  }


def test_the_parts_of_a_name():
  def parts(name):
    return [part.name for part in prepared.parts_of(name)]

  assert parts('anli') == ['anli_r1', 'anli_r2', 'anli_r3']
  assert parts('anli_r1.t2.rank') == ['anli_r1']
  assert parts('flan_eval_nli.5shot')[:2] == ['anli_r1', 'anli_r2']
  with pytest.raises(registry.UnknownNameError, match='nearest'):
    parts('anly')
