"""What is linear has the exponent 1, what is flat 0."""

import pytest

from benchmarks.growth import results


@pytest.mark.parametrize(
  ('costs', 'found'),
  [([2, 20, 200], 1), ([7, 7, 7], 0), ([1, 100, 10_000], 2), ([0, 1, 2], None)],
)
def test_exponents(costs, found):
  assert results.exponent([3, 30, 300], costs) == found
  assert results.exponent([3], costs[:1]) is None


def test_the_table_has_each_size_and_the_exponents():
  costs = {'seconds': 2.5, 'cpu_seconds': 0.0, 'peak_mib': 300}
  sizes = [{'size': size, **costs} for size in (1000, 10_000)]
  result = {
    **results.summary({'rows': sizes}),
    'units': {'rows': 'rows cached'},
  }
  assert list(results.table(result))[2:] == [
    '| rows cached | 1,000 | 2.5 | 0.0 | 300 |',
    '| rows cached | 10,000 | 2.5 | 0.0 | 300 |',
    '| | exponent | 0.00 | - | 0.00 |',
  ]
