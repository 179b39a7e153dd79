"""The paper's ablations of the training mixture, and their evaluation mixture.

`flan_clusters_K` trains on the first K clusters of figure 6.
`flan_tasks_K_templates_T` trains on K datasets of each cluster with T templates
each (appendix B.1). Both hold out natural language inference, closed-book QA
and commonsense reasoning, which `flan_eval_clusters` evaluates. A suffix of the
name selects the format or the number of exemplars of any mixture, as in
`flan_holdout_nli.plain`.
"""

from collections.abc import Sequence

from flan_jax.mixtures.holdout import (
  CONVERSATIONAL_QA,
  EXCLUDED,
  evaluation_members,
  in_cluster,
  training_members,
)
from flan_jax.tasks import DATASETS

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.registry import Member, Mixture

HELD_OUT = ('nli', 'closed_book_qa', 'commonsense')

# The order of figure 6. The last one is a part of our cluster `misc`.
ORDER = (
  'summarization',
  'translation',
  'reading_comprehension',
  'sentiment',
  'struct_to_text',
  'coreference',
  'conversational_qa',
)

TASKS_PER_CLUSTER = (1, 2, 3, 4)
TEMPLATES_PER_TASK = (1, 2, 4, 7, 10)


def datasets_of(cluster: str) -> tuple[Dataset, ...]:
  """Returns the datasets of a cluster in `ORDER`, in order."""
  if cluster == 'conversational_qa':
    return tuple(d for d in DATASETS if d.name in CONVERSATIONAL_QA)
  return in_cluster(cluster)


def first_templates(part: Dataset, count: int) -> tuple[int, ...]:
  """Returns the indices of the first templates of a part.

  The templates of a translation dataset cover two directions. They alternate:
  the first template of both directions comes before the second of either.
  """
  seen: dict[str | None, int] = {}
  order = []
  for index, template in enumerate(part.templates):
    turn = seen.setdefault(template.group, 0)
    seen[template.group] += 1
    order.append((turn, index))
  return tuple(sorted(index for _, index in sorted(order)[:count]))


def _with_templates(
  datasets: Sequence[Dataset], count: int
) -> tuple[Member, ...]:
  """Returns the training parts as members with their first templates."""
  return tuple(
    Member(part.name, first_templates(part, count))
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.trains
  )


def _register() -> None:
  clusters = [datasets_of(cluster) for cluster in ORDER]
  for count in range(1, len(ORDER) + 1):
    chosen = [d for cluster in clusters[:count] for d in cluster]
    registry.register_mixture(
      Mixture(
        f'flan_clusters_{count}', training_members(chosen), held_out='clusters'
      )
    )
  for tasks in TASKS_PER_CLUSTER:
    chosen = [d for cluster in clusters for d in cluster[:tasks]]
    for templates in TEMPLATES_PER_TASK:
      registry.register_mixture(
        Mixture(
          f'flan_tasks_{tasks}_templates_{templates}',
          _with_templates(chosen, templates),
          held_out='clusters',
        )
      )
  registry.register_mixture(
    Mixture(
      'flan_eval_clusters',
      evaluation_members(in_cluster(*HELD_OUT)),
      purpose='eval',
      held_out='clusters',
      excluded=tuple({e: None for c in HELD_OUT for e in EXCLUDED.get(c, ())}),
    )
  )


_register()
