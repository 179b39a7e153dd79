"""The paper's means over clusters, of exactly the datasets that it averages.

The paper does not list them. For each cluster below, these are the members
whose mean equals the number in its figures 1 and 9. For closed-book QA it
equals the number in the paper's first version, which used the TriviaQA
validation rows of TFDS.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.part_result import PartResult

# Parts, each with its group of templates if its results are by group.
PAPER_MEMBERS: Mapping[str, tuple[tuple[str, str | None], ...]] = {
  'nli': (
    ('anli_r1', None),
    ('anli_r2', None),
    ('anli_r3', None),
    ('cb', None),
    ('rte', None),
  ),
  'reading_comprehension': (
    ('bool_q', None),
    ('multirc', None),
    ('openbookqa', None),
  ),
  'closed_book_qa': (
    ('arc_easy', None),
    ('arc_challenge', None),
    ('natural_questions', None),
    ('trivia_qa', None),
  ),
  'commonsense': (
    ('copa', None),
    ('hellaswag', None),
    ('piqa', None),
    ('story_cloze', None),
  ),
  'coreference': (
    ('definite_pronoun_resolution', None),
    ('winogrande', None),
  ),
  'translation': (
    ('wmt14_enfr', 'en_fr'),
    ('wmt14_enfr', 'fr_en'),
    ('wmt16_translate_deen', 'en_de'),
    ('wmt16_translate_deen', 'de_en'),
    ('wmt16_translate_roen', 'en_ro'),
    ('wmt16_translate_roen', 'ro_en'),
  ),
}


def cluster_means(results: Sequence[PartResult]) -> list[dict[str, Any]]:
  """Averages results over the clusters of the paper that occur in them.

  Args:
    results: Results of parts.

  Returns:
    One object for each cluster, format and number of exemplars: `members`, the
    members' means over templates; `missing`, the members without a result;
    `others`, the means of the cluster's other parts, each by its own metric;
    and `mean` and `best_validation`, unweighted over the members. These two are
    null if a member is missing: a mean over fewer would not be the paper's.
  """
  by_variant: dict[Any, dict[Any, PartResult]] = {}
  for result in results:
    if result.cluster in PAPER_MEMBERS:
      key = (result.cluster, result.format, result.shots)
      parts = by_variant.setdefault(key, {})
      parts[result.part, result.group] = result
  return [
    _cluster_mean(*variant, parts) for variant, parts in by_variant.items()
  ]


def _cluster_mean(
  cluster: str,
  form: str,
  shots: int,
  parts: Mapping[tuple[str, str | None], PartResult],
) -> dict[str, Any]:
  members = PAPER_MEMBERS[cluster]
  found = {
    member: parts[member]
    for member in members
    if member in parts and parts[member].mean is not None
  }
  means = [result.mean for result in found.values()]
  best = [
    result.best_validation['test']
    for result in found.values()
    if result.best_validation is not None
  ]
  return {
    'cluster': cluster,
    'format': form,
    'shots': shots,
    'mean': _mean(means, len(members)),
    'best_validation': _mean(best, len(members)),
    'members': {_name(member): found[member].mean for member in found},
    'missing': [_name(member) for member in members if member not in found],
    'others': {
      _name(member): result.mean
      for member, result in parts.items()
      if member not in members
    },
  }


def _mean(values: Sequence[float], wanted: int) -> float | None:
  return float(np.mean(values)) if len(values) == wanted else None


def _name(member: tuple[str, str | None]) -> str:
  part, group = member
  return part if group is None else f'{part} {group}'
