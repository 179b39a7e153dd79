import math

import pytest

from flan_jax.training.schedule import learning_rate


@pytest.mark.parametrize(
  'schedule, expected',
  [
    ('constant', [2.5, 5, 7.5, 10, 10, 10, 10, 10, 10]),
    # A quarter of the way down after each of the four steps that are left.
    ('linear', [2.5, 5, 7.5, 10, 10, 8, 6, 4, 2]),
    (
      'cosine',
      [2.5, 5, 7.5, 10]
      + [2 + 4 * (1 + math.cos(math.pi * n / 4)) for n in range(5)],
    ),
    # T5X counts steps from 0, and divides by the root of the larger of step and
    # warm-up.
    (
      'rsqrt',
      [2.5, 5, 7.5] + [10 * (4 / max(n, 4)) ** 0.5 for n in range(3, 9)],
    ),
  ],
)
def test_rates_rise_to_the_peak_and_follow_the_schedule(schedule, expected):
  rates = [
    float(learning_rate(schedule, 10.0, 4, 8, 2.0, step))
    for step in range(1, 10)
  ]
  assert rates == pytest.approx(expected, rel=1e-6)


def test_no_warm_up_starts_at_the_peak_and_nothing_falls_below_the_end():
  for schedule in ('constant', 'linear', 'cosine', 'rsqrt'):
    rates = [
      float(learning_rate(schedule, 1.0, 0, 4, 0.0, step))
      for step in (1, 4, 99)
    ]
    assert rates[0] == 1 and min(rates[1], 1) > 0
    assert rates[2] == pytest.approx(
      {'constant': 1, 'rsqrt': 99**-0.5}.get(schedule, 0), abs=1e-6
    )
