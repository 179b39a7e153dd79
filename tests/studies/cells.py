"""Made-up entries of `cells` in study.json, as panels read them."""

from collections.abc import Mapping, Sequence
from typing import Any

from flan_jax.definitions import registry
from flan_jax.studies import paper


def part(
  name: str,
  mean: float | None,
  *,
  std: float | None = 0.0,
  best: float | None = None,
  templates: Sequence[float] | None = None,
) -> dict[str, Any]:
  """Returns an entry of `parts`.

  Args:
    name: A part, followed by its group of templates if there is one.
    mean: Mean over templates.
    std: Standard deviation over templates.
    best: Test score of the template that is best on validation rows.
    templates: Value of each template; the mean alone if None.
  """
  part_name, *groups = name.split()
  values = [mean] if templates is None else templates
  return {
    'part': part_name,
    'group': groups[0] if groups else None,
    'cluster': registry.find_part(part_name)[1].cluster,
    'metric': 'accuracy',
    'mean': mean,
    'std': std,
    'best_validation': best and {'template': 0, 'test': best},
    'templates': {str(n): {'accuracy': v} for n, v in enumerate(values)},
  }


def cell(
  arm: str,
  evaluations: Mapping[str, Sequence[Mapping[str, Any]]],
  holdout: str = 'nli',
  seed: int = 0,
) -> dict[str, Any]:
  """Returns an entry of `cells`; `evaluations` are label -> parts."""
  return {
    'name': f'{arm}/{holdout}/{seed}',
    'arm': arm,
    'holdout': holdout,
    'seed': seed,
    'finished': True,
    'evaluations': [
      {'label': label, 'parts': list(parts)}
      for label, parts in evaluations.items()
    ],
    'prompts': [],
  }


def published(setting: str = 'zero_shot', system: str = paper.FLAN) -> list:
  """Returns the paper's values of its model, or of a baseline, as parts.

  Those of TriviaQA's other rows are left out, since they are no part of ours.
  """
  name = f'{setting}_mean' if system == paper.FLAN else setting
  found = []
  for value in paper.results():
    if (value.system, value.setting) != (system, name):
      continue
    if value.dataset != 'trivia_qa_wiki_dev':
      best = paper.find(value.dataset, system, f'{setting}_best_dev')
      found.append(
        part(
          value.dataset, value.value, std=value.std, best=best and best.value
        )
      )
  return found
