"""Numbers of a study's cells, as panels compare them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.paper_means import means_of

# An entry of `cells` in study.json, and of `parts` in an evaluation of it.
CellJson = Mapping[str, Any]
PartJson = Mapping[str, Any]


def part_name(part: PartJson) -> str:
  """Returns the name of a part, as `PartResult.name` does."""
  return ' '.join(filter(None, (part['part'], part['group'])))


def parts_of(
  cells: Iterable[CellJson], arm: str, label: str
) -> dict[str, list[PartJson]]:
  """Returns the results of an arm under one evaluation.

  Args:
    cells: Cells of a study.
    arm: Name of the arm.
    label: Label of the evaluation.

  Returns:
    Name of a part -> its results, one for each seed. Parts without a number
    are left out.
  """
  found: dict[str, list[PartJson]] = {}
  for cell in cells:
    if cell['arm'] != arm:
      continue
    for evaluation in cell['evaluations']:
      if evaluation['label'] == label:
        for part in evaluation['parts']:
          if part['mean'] is not None:
            found.setdefault(part_name(part), []).append(part)
  return found


def mean(values: Iterable[float | None]) -> float | None:
  """Returns the mean; None if a value is None, or if there is none."""
  values = list(values)
  if not values or None in values:
    return None
  return float(np.mean(values))


def seed_mean(
  parts: Sequence[PartJson] | None,
  value: Callable[[PartJson], float | None] = lambda part: part['mean'],
) -> float | None:
  """Returns the mean over seeds of a number of a part; None if unknown."""
  return mean(value(part) for part in parts or ())


def best_test(part: PartJson) -> float | None:
  """Returns the test score of the template that is best on validation rows."""
  best = part['best_validation']
  return best and best['test']


def over_templates(
  part: PartJson, statistic: Callable[[Sequence[float]], float]
) -> float:
  """Returns a statistic, such as the median, over the templates of a part."""
  values = [found[part['metric']] for found in part['templates'].values()]
  return float(statistic(values))


def members_of(cluster: str) -> tuple[str, ...]:
  """Returns the datasets that the paper averages for a cluster.

  For a cluster of which the paper prints no mean, the tuple is empty.
  """
  means = means_of(cluster)
  known = [paper for paper in means if paper.reproduced] or means
  return tuple(known[0].members) if known else ()


def cluster_mean(
  parts: Mapping[str, Sequence[PartJson]],
  cluster: str,
  value: Callable[[PartJson], float | None] = lambda part: part['mean'],
) -> float | None:
  """Returns the mean over the members of a cluster; None if one is missing.

  Where the paper has no mean, the members are all parts of the cluster.
  """
  members = members_of(cluster) or [
    name for name, found in parts.items() if found[0]['cluster'] == cluster
  ]
  return mean(seed_mean(parts.get(member), value) for member in members)


def arms_of(cells: Iterable[CellJson]) -> list[str]:
  """Returns the names of the arms, in order, those that do not train first."""
  return list(dict.fromkeys(cell['arm'] for cell in cells))


def labels_of(cells: Iterable[CellJson], arm: str) -> list[str]:
  """Returns the labels of an arm's evaluations, in order."""
  return list(
    dict.fromkeys(
      evaluation['label']
      for cell in cells
      if cell['arm'] == arm
      for evaluation in cell['evaluations']
    )
  )
