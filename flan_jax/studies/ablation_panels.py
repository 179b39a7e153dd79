"""The panels of the paper's ablations."""

from collections.abc import Callable, Mapping, Sequence
import re
from typing import Any

import numpy as np

from flan_jax.evaluation.paper_means import PAPER_MEANS, PaperMean
from flan_jax.mixtures.ablations import HELD_OUT
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.panel_values import (
  CellJson,
  PartJson,
  arms_of,
  best_test,
  cluster_mean,
  labels_of,
  mean,
  members_of,
  over_templates,
  parts_of,
  seed_mean,
)
from flan_jax.studies.published_curves import BLOOMZ

# The rows of table 3: arm, evaluation, and the paper's system and format.
TABLE_3 = (
  ('instructions', 'instructions', 'FLAN 137B', 'instructions'),
  ('no template', 'instructions', 'FLAN, no template', 'instructions'),
  ('dataset name', 'instructions', 'FLAN, dataset name', 'instructions'),
  ('dataset name', 'dataset name', 'FLAN, dataset name', 'named'),
)
_SETTINGS = {'0': 'zero_shot_mean', '16': 'few_shot_mean'}


def _paper_value(**wanted: Any) -> float | None:
  """Returns a mean that the paper prints and its own values do not deny."""
  for found in PAPER_MEANS:
    if all(getattr(found, name) == value for name, value in wanted.items()):
      return found.value if _comparable(found) else None
  return None


def _comparable(found: PaperMean) -> bool:
  # Means of other systems than FLAN have no members whose values are known.
  return found.reproduced or found.system != 'FLAN 137B'


def clusters_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `clusters`: figure 6.

  Arms are named by their number of clusters; 0 is the base model.
  """
  del design
  lines = []
  for arm in arms_of(cells):
    (label,) = labels_of(cells, arm)
    parts = parts_of(cells, arm, label)
    means = {cluster: cluster_mean(parts, cluster) for cluster in HELD_OUT}
    lines.append(
      {
        'clusters': arm,
        **means,
        'mean': mean(means.values()),
        'paper': _paper_value(
          figure='Figure 6', system=f'FLAN, {arm} clusters'
        ),
      }
    )
  return {'means': lines}


def scale_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `scale`: figure 7.

  Means are over the datasets of the three held-out clusters, of the mean, the
  median and the best over templates. The best is chosen on validation rows.
  """
  del design
  members = [name for cluster in HELD_OUT for name in members_of(cluster)]
  statistics: dict[str, Callable[[PartJson], float | None]] = {
    'mean': lambda part: part['mean'],
    'median': lambda part: over_templates(part, np.median),
    'best': best_test,
  }
  lines = []
  for arm in arms_of(cells):
    (label,) = labels_of(cells, arm)
    parts = parts_of(cells, arm, label)
    lines.append(
      {
        'model': arm,
        'datasets': sum(name in parts for name in members),
        'of': len(members),
        **{
          name: mean(seed_mean(parts.get(member), value) for member in members)
          for name, value in statistics.items()
        },
      }
    )
  published = [vars(point) for point in BLOOMZ]
  return {'means': lines, 'BLOOM and BLOOMZ, as published': published}


def instructions_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `instructions`: table 3 and figure 8."""
  lines = []
  for arm, label, system, form in TABLE_3:
    parts = parts_of(cells, arm, label)
    means = {c: cluster_mean(parts, c) for c in design.holdouts}
    published = {
      cluster: _paper_value(
        figure='Table 3', system=system, format=form, cluster=cluster
      )
      for cluster in (*design.holdouts, 'overall')
    }
    lines.append(
      {
        'tuned with': arm,
        'evaluated with': label,
        **means,
        'overall': mean(means.values()),
        **{f'paper {name}': value for name, value in published.items()},
      }
    )
  return {'means': lines}


def fewshot_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `fewshot`: figure 9.

  `std` is the standard deviation over templates, averaged over datasets.
  """
  lines = []
  for cluster in design.holdouts:
    for arm in arms_of(cells):
      for label in labels_of(cells, arm):
        parts = parts_of(cells, arm, label)
        lines.append(
          {
            'cluster': cluster,
            'arm': arm,
            'exemplars': label,
            'mean': cluster_mean(parts, cluster),
            'std': cluster_mean(parts, cluster, lambda part: part['std']),
            'paper': _figure_9(cluster, arm, label),
          }
        )
  return {'means': lines}


def _figure_9(cluster: str, arm: str, label: str) -> float | None:
  """Returns the paper's mean; it shows as many exemplars as it tunes with."""
  tuned_with = re.sub(r'\D', '', arm)
  if tuned_with != label or label not in _SETTINGS:
    return None
  return _paper_value(
    figure='Figure 9', cluster=cluster, setting=_SETTINGS[label]
  )


def templates_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `templates`: appendix B.1."""
  del design
  lines: list[Mapping[str, Any]] = []
  for arm in arms_of(cells):
    datasets, templates = re.findall(r'\d+', arm)
    (label,) = labels_of(cells, arm)
    parts = parts_of(cells, arm, label)
    means = {cluster: cluster_mean(parts, cluster) for cluster in HELD_OUT}
    lines.append(
      {
        'datasets a cluster': int(datasets),
        'templates a dataset': int(templates),
        **means,
        'mean': mean(means.values()),
      }
    )
  return {'means': lines}
