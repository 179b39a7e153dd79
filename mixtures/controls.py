"""Controls: what a small model learns that is less than a new cluster.

A hold-out asks whether tuning helps on clusters that were never seen. The
controls ask the same of less: of new templates of seen datasets, and of new
datasets of seen clusters. For each held-out cluster h,

  flan_controls_h             trains as `flan_holdout_h`, without some templates
                              and datasets
  flan_controls_h_templates   evaluates datasets that it trains on and that
                              have options, under the templates that it has not
                              seen
  flan_controls_h_datasets    evaluates datasets that it has not seen, of the
                              clusters in `DATASETS_TRAINED`
  flan_eval_h                 evaluates the held-out cluster

`flan_controls_h_strict` trains on what `flan_holdout_h_strict` does, less the
same; `flan_controls_h_strict_templates` evaluates it. The mixtures are this
project's own. Templates are numbered as shipped: with another template set,
other templates are kept out.
"""

from collections.abc import Sequence
import math

from flan_jax.mixtures.holdout import evaluation_members, in_cluster
from flan_jax.tasks import CLUSTERS

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset, evaluated
from flan_jax.definitions.registry import Member, Mixture

# Ordinary templates of a part that are kept out of training.
TEMPLATES_KEPT_OUT = 3

# Cluster -> its datasets that are trained on, where it is seen.
DATASETS_TRAINED = {
  'nli': ('mnli', 'snli', 'qnli'),
  'sentiment': ('sst2', 'imdb_reviews', 'yelp_polarity_reviews'),
}
# Cluster -> its datasets that are evaluated as unseen datasets.
DATASETS_UNSEEN = {'nli': ('rte', 'cb'), 'sentiment': ('sentiment140',)}

_NOTE = 'our own: some templates and datasets are kept out of training'


def kept_out(part: Dataset) -> tuple[int, ...]:
  """Returns the indices of the templates of a part that are kept out.

  They are its last three ordinary templates. Where templates have groups, each
  keeps out the last of an equal share: two for a dataset of two directions.
  """
  groups: dict[str | None, list[int]] = {}
  for index in evaluated(part.templates):
    groups.setdefault(part.templates[index].group, []).append(index)
  share = math.ceil(TEMPLATES_KEPT_OUT / len(groups))
  return tuple(sorted(i for group in groups.values() for i in group[-share:]))


def trained_parts(holdout: Mixture) -> list[Dataset]:
  """Returns the parts of a hold-out that its control trains on."""
  parts = [registry.find_part(member.part)[1] for member in holdout.members]
  return [
    part
    for part in parts
    if part.dataset.name
    in DATASETS_TRAINED.get(part.cluster, (part.dataset.name,))
  ]


def training_members(parts: Sequence[Dataset]) -> tuple[Member, ...]:
  """Returns parts as members, without the templates that are kept out."""
  members = []
  for part in parts:
    every, out = range(len(part.templates)), kept_out(part)
    members.append(Member(part.name, tuple(k for k in every if k not in out)))
  return tuple(members)


def template_members(parts: Sequence[Dataset]) -> tuple[Member, ...]:
  """Returns what evaluates trained parts under templates they have not seen.

  MNLI is trained on once and evaluated twice, so that these are all parts that
  share dataset and templates with a trained one. Datasets with answers in free
  text are left out: the endpoints compare choices.
  """
  seen = {(part.dataset.name, part.templates) for part in parts}
  datasets = dict.fromkeys(part.dataset for part in parts)
  return tuple(
    Member(part.name, kept_out(part))
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.evaluates
    and part.answers is None
    and (dataset.name, part.templates) in seen
  )


def dataset_members(parts: Sequence[Dataset]) -> tuple[Member, ...]:
  """Returns the unseen datasets of the clusters that are trained on."""
  clusters = {part.cluster for part in parts}
  return evaluation_members(
    dataset
    for cluster, unseen in DATASETS_UNSEEN.items()
    if cluster in clusters
    for dataset in in_cluster(cluster)
    if dataset.name in unseen
  )


def _evaluation(name: str, members: tuple[Member, ...]) -> None:
  registry.register_mixture(Mixture(name, members, purpose='eval', note=_NOTE))


def _register() -> None:
  for cluster in CLUSTERS:
    for suffix in ('', '_strict'):
      holdout = registry.find_mixture(f'flan_holdout_{cluster}{suffix}')
      parts = trained_parts(holdout)
      name = f'flan_controls_{cluster}{suffix}'
      registry.register_mixture(
        Mixture(
          name,
          training_members(parts),
          held_out=holdout.held_out,
          excluded=holdout.excluded,
          note='; '.join(filter(None, (holdout.note, _NOTE))),
        )
      )
      _evaluation(f'{name}_templates', template_members(parts))
    _evaluation(f'flan_controls_{cluster}_datasets', dataset_members(parts))


_register()
