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

# Parts, followed by the group of templates if results are by group.
PAPER_MEMBERS: Mapping[str, tuple[str, ...]] = {
  'nli': ('anli_r1', 'anli_r2', 'anli_r3', 'cb', 'rte'),
  'reading_comprehension': ('bool_q', 'multirc', 'openbookqa'),
  'closed_book_qa': (
    'arc_easy',
    'arc_challenge',
    'natural_questions',
    'trivia_qa',
  ),
  'commonsense': ('copa', 'hellaswag', 'piqa', 'story_cloze'),
  'coreference': ('definite_pronoun_resolution', 'winogrande'),
  'translation': (
    'wmt14_enfr en_fr',
    'wmt14_enfr fr_en',
    'wmt16_translate_deen en_de',
    'wmt16_translate_deen de_en',
    'wmt16_translate_roen en_ro',
    'wmt16_translate_roen ro_en',
  ),
}


def cluster_means(results: Sequence[PartResult]) -> list[dict[str, Any]]:
  """Averages results over the clusters of the paper that occur in them.

  Returns:
    One object for each cluster, format and number of exemplars: `members`, the
    members' means over templates; `missing`, the members without a result;
    `others`, the means of the cluster's other parts; `mean` and
    `best_validation`, unweighted over the members, null if one is missing.
  """
  by_variant: dict[Any, dict[str, PartResult]] = {}
  for result in results:
    if result.cluster in PAPER_MEMBERS:
      key = (result.cluster, result.format, result.shots)
      by_variant.setdefault(key, {})[result.name] = result
  return [
    _cluster_mean(*variant, parts) for variant, parts in by_variant.items()
  ]


def _cluster_mean(
  cluster: str, form: str, shots: int, parts: Mapping[str, PartResult]
) -> dict[str, Any]:
  members = PAPER_MEMBERS[cluster]
  found = {
    member: parts[member]
    for member in members
    if member in parts and parts[member].mean is not None
  }
  means = {member: result.mean for member, result in found.items()}
  best = [
    result.best_validation['test']
    for result in found.values()
    if result.best_validation is not None
  ]
  return {
    'cluster': cluster,
    'format': form,
    'shots': shots,
    'mean': _mean([*means.values()], len(members)),
    'best_validation': _mean(best, len(members)),
    'members': means,
    'missing': [member for member in members if member not in found],
    'others': {
      name: result.mean for name, result in parts.items() if name not in members
    },
  }


def _mean(values: Sequence[float], wanted: int) -> float | None:
  return float(np.mean(values)) if len(values) == wanted else None
