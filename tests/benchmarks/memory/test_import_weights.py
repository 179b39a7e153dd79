"""What an import takes is measured against the size of the model."""

import pytest

from tests.benchmarks.running import run


@pytest.mark.slow
def test_a_model_of_one_layer():
  (line,) = run('memory.import_weights', '--layers=1', '--dtype=bfloat16')[-1:]
  assert line['model_mib'] == round(2 * line['parameters'] / 2**20)
  assert line['peak_mib'] > line['model_mib']
