"""Our means over clusters, of exactly the datasets that the paper averages."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.metrics import intervals
from flan_jax.evaluation.paper_means import PaperMean, mean_for
from flan_jax.evaluation.part_result import PartResult


def cluster_means(results: Sequence[PartResult]) -> list[dict[str, Any]]:
  """Averages results over the clusters of the paper that occur in them.

  `paper_means.mean_for` decides which of the paper's means is repeated.

  Returns:
    One object for each cluster, format and number of exemplars: `figure`, the
    figure whose members are averaged; `paper`, the mean that it prints for the
    paper's own model, null if there is none to compare with; `problem`, why
    not; `members`, the members' means over templates; `missing`, the members
    without a result; `too_few`, those of too few rows, which count as missing;
    `others`, the means of the cluster's other parts; `mean` with its 95 %
    `interval` and `best_validation`, unweighted over the members, null if one
    is missing.
  """
  by_variant: dict[Any, dict[str, PartResult]] = {}
  for result in results:
    key = (result.cluster, result.format, result.shots)
    by_variant.setdefault(key, {})[result.name] = result
  means = []
  for (cluster, form, shots), parts in by_variant.items():
    if (paper := mean_for(cluster, form, shots)) is not None:
      about = {'cluster': cluster, 'format': form, 'shots': shots}
      means.append({**about, **_cluster_mean(paper, parts)})
  return means


def _cluster_mean(
  paper: PaperMean, parts: Mapping[str, PartResult]
) -> dict[str, Any]:
  members = paper.members
  evaluated = {
    member: parts[member]
    for member in members
    if member in parts and parts[member].mean is not None
  }
  found = {m: result for m, result in evaluated.items() if not result.too_few}
  means = {member: result.mean for member, result in found.items()}
  best = [
    result.best_validation['test']
    for result in found.values()
    if result.best_validation is not None
  ]
  mean = _mean([*means.values()], len(members))
  return {
    'figure': paper.figure,
    'paper': paper.value,
    'problem': paper.problem or None,
    'mean': mean,
    'interval': None if mean is None else mean_interval([*found.values()]),
    'best_validation': _mean(best, len(members)),
    'members': means,
    'missing': [member for member in members if member not in found],
    'too_few': [member for member in evaluated if member not in found],
    'others': {
      name: result.mean for name, result in parts.items() if name not in members
    },
  }


def mean_interval(
  results: Sequence[PartResult],
) -> intervals.Interval | None:
  """Returns the interval of the mean over results, see `intervals.of_mean`."""
  return intervals.of_mean(
    [result.part for result in results],
    [result.mean for result in results],
    [result.known_interval for result in results],
  )


def _mean(values: Sequence[float], wanted: int) -> float | None:
  return float(np.mean(values)) if len(values) == wanted else None
