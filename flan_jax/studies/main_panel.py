"""The main result: tuned against base, dataset by dataset, and the paper's."""

from collections.abc import Mapping, Sequence
from typing import Any

from flan_jax.studies import paper
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.panel_values import (
  CellJson,
  best_test,
  cluster_mean,
  parts_of,
  seed_mean,
)

BASE, TUNED = 'base', 'tuned'
ZERO, FEW = 'zero-shot', 'few-shot'


def main_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns the panel of `main`.

  Returns:
    `datasets`: one line for each dataset; `clusters`: one for each hold-out;
    `wins`: on how many of the paper's 25 datasets the tuned model is better
    than the base model, and by each of the paper's own counts.
  """
  found = {
    (arm, label): parts_of(cells, arm, label)
    for arm in (BASE, TUNED)
    for label in (ZERO, FEW)
  }
  names = dict.fromkeys(name for parts in found.values() for name in parts)
  return {
    'datasets': [_line(name, found) for name in names],
    'clusters': [
      {
        'cluster': holdout,
        **{
          f'{arm} {label}': cluster_mean(parts, holdout)
          for (arm, label), parts in found.items()
        },
      }
      for holdout in design.holdouts
    ],
    'wins': _wins(found),
  }


def _line(name: str, found: Mapping[tuple[str, str], Any]) -> dict[str, Any]:
  parts = [parts[name][0] for parts in found.values() if name in parts]
  published = paper.find(name, paper.FLAN, 'zero_shot_mean')
  base, tuned = (seed_mean(found[arm, ZERO].get(name)) for arm in (BASE, TUNED))
  return {
    'dataset': name,
    'cluster': parts[0]['cluster'],
    'headline': name in paper.HEADLINE,
    'metric': parts[0]['metric'],
    'base': base,
    'tuned': tuned,
    'difference': None if None in (base, tuned) else tuned - base,
    'std': seed_mean(found[TUNED, ZERO].get(name), lambda part: part['std']),
    'best template': seed_mean(found[TUNED, ZERO].get(name), best_test),
    'base few-shot': seed_mean(found[BASE, FEW].get(name)),
    'tuned few-shot': seed_mean(found[TUNED, FEW].get(name)),
    'paper': published and published.value,
    'paper is': published and published.provenance,
  }


def _wins(found: Mapping[tuple[str, str], Any]) -> list[dict[str, Any]]:
  """Counts wins over our own base model, then by the paper's rules.

  The paper compares the template that is best on validation rows.
  """
  ours, base = (
    {
      name: paper.Scores(seed_mean(parts), seed_mean(parts, best_test))
      for name, parts in found[arm, ZERO].items()
    }
    for arm in (TUNED, BASE)
  )
  both = [name for name in paper.HEADLINE if name in ours and name in base]
  won = [n for n in both if ours[n].best_or_mean > base[n].best_or_mean]
  counts = [
    {
      'baseline': 'our base model, zero-shot',
      'won': len(won),
      'compared': len(both),
      'of': len(paper.HEADLINE),
      'paper': None,
    }
  ]
  for count in paper.win_counts(ours, use_recalled=True):
    rule = count.rule
    compared = len(count.won) + len(count.tied) + len(count.lost)
    counts.append(
      {
        'baseline': f'{rule.system}, {rule.setting} (recalled values included)',
        'won': len(count.won),
        'compared': compared,
        'of': len(rule.datasets),
        'paper': rule.published,
      }
    )
  return counts
