"""Hold-outs: one training and one evaluation mixture a cluster.

`flan_holdout_nli` trains on everything that may be seen when natural language
inference is evaluated; `flan_eval_nli` evaluates it.
"""

from flan_jax.tasks import DATASETS

from flan_jax.data import registry
from flan_jax.data.registry import Member, Mixture

# Evaluated cluster -> clusters too close to it to be trained on (FLAN,
# section 2.2 and appendix): they ask for the same skill under another name.
EXCLUDED = {
  'nli': ('paraphrase',),
  'paraphrase': ('nli',),
}


def clusters() -> tuple[str, ...]:
  """Returns the clusters of this project's datasets, in order."""
  return tuple(dict.fromkeys(d.cluster for d in DATASETS))


def training_members(held_out: str | None) -> tuple[Member, ...]:
  """Returns the parts that may be trained on when a cluster is evaluated."""
  closed = {held_out, *EXCLUDED.get(held_out, ())}
  return tuple(
    Member(part.name)
    for dataset in DATASETS
    for part in dataset.resolve_parts()
    if part.trains and part.cluster not in closed
  )


def evaluation_members(cluster: str) -> tuple[Member, ...]:
  """Returns the parts that a cluster is evaluated on."""
  return tuple(
    Member(part.name)
    for dataset in DATASETS
    for part in dataset.resolve_parts()
    if part.evaluates and part.cluster == cluster
  )


def _register() -> None:
  registry.register_mixture(Mixture('flan_all', training_members(None)))
  for cluster in clusters():
    registry.register_mixture(
      Mixture(
        f'flan_holdout_{cluster}', training_members(cluster), held_out=cluster
      )
    )
    registry.register_mixture(
      Mixture(
        f'flan_eval_{cluster}',
        evaluation_members(cluster),
        purpose='eval',
        held_out=cluster,
      )
    )


_register()
