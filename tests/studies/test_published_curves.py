"""Published curves agree with the means that their figures print."""

import numpy as np
import pytest

from flan_jax.definitions import registry
from flan_jax.studies import published_curves as curves


@pytest.mark.parametrize('bar', curves.FIGURE_10)
def test_datasets_of_figure_10_give_its_means(bar):
  assert np.mean(bar.values) == pytest.approx(bar.mean, abs=0.065)


def test_prompt_tuning_is_on_our_datasets():
  registry.load()
  for name in curves.PROMPT_TUNING_DATASETS:
    assert registry.find_part(name)[1].evaluates
  assert {len(bar.values) for bar in curves.FIGURE_10} == {8}


def test_bloomz_has_every_size_and_cluster_once():
  points = [(p.parameters, p.cluster) for p in curves.BLOOMZ]
  sizes = {p.parameters for p in curves.BLOOMZ}
  assert len(set(points)) == len(points) == 4 * len(curves.BLOOMZ_DATASETS)
  assert len(sizes) == 4
  for point in curves.BLOOMZ:
    assert (point.base_best is None) == (point.tuned_best is None)
    if point.base_best is not None:
      assert point.base_best >= point.base_median
      assert point.tuned_best >= point.tuned_median
