"""Hold-outs: a training mixture and an evaluation mixture per cluster.

For example, `flan_eval_nli` evaluates natural language inference, and
`flan_holdout_nli` trains on all clusters that do not need the same skill. As in
the paper, each miscellaneous dataset is also held out alone, except CoQA and
QuAC, which are held out together.
"""

from collections.abc import Iterable

from flan_jax.tasks import CLUSTERS, DATASETS

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.registry import Member, Mixture

# Evaluated cluster -> other clusters that are excluded from training because
# they need the same skill (FLAN, section 2.2 and appendix).
EXCLUDED = {
  'nli': ('paraphrase',),
  'paraphrase': ('nli',),
  'reading_comprehension': ('reading_comprehension_commonsense',),
  'commonsense': ('reading_comprehension_commonsense',),
  'reading_comprehension_commonsense': (
    'reading_comprehension',
    'commonsense',
  ),
}

# These two miscellaneous datasets need the same skill.
CONVERSATIONAL_QA = ('coqa', 'quac')

_MISC_NOTE = (
  'holds out all miscellaneous datasets at once; the paper holds them out one '
  'by one'
)
_STRICT_NOTE = (
  'also excludes datasets that were made from the evaluated ones, or that the '
  'evaluated ones were made from'
)


def held_out_alone() -> dict[str, tuple[str, ...]]:
  """Returns hold-out name -> the miscellaneous datasets it holds out."""
  alone = {
    dataset.name: (dataset.name,)
    for dataset in DATASETS
    if dataset.cluster == 'misc' and dataset.name not in CONVERSATIONAL_QA
  }
  return {'conversational_qa': CONVERSATIONAL_QA, **alone}


def in_cluster(*clusters: str) -> tuple[Dataset, ...]:
  """Returns our datasets of the given clusters, in order."""
  return tuple(d for d in DATASETS if d.cluster in clusters)


def training_members(datasets: Iterable[Dataset]) -> tuple[Member, ...]:
  """Returns the parts that are used in training."""
  return tuple(
    Member(part.name)
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.trains
  )


def evaluation_members(datasets: Iterable[Dataset]) -> tuple[Member, ...]:
  """Returns the parts that are used in evaluation."""
  return tuple(
    Member(part.name)
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.evaluates
  )


def related(dataset: Dataset, others: Iterable[Dataset]) -> bool:
  """Returns whether `dataset` was made from one of `others`, or vice versa."""
  return any(
    other.name in dataset.derived_from or dataset.name in other.derived_from
    for other in others
  )


def _register_pair(
  name: str,
  held_out: tuple[Dataset, ...],
  excluded: tuple[str, ...] = (),
  note: str = '',
) -> None:
  """Registers the training and evaluation mixtures of a hold-out."""
  open_ = tuple(
    d for d in DATASETS if d not in held_out and d.cluster not in excluded
  )
  strict = tuple(d for d in open_ if not related(d, held_out))
  for suffix, datasets, remark in (
    ('', open_, note),
    ('_strict', strict, '; '.join(filter(None, (note, _STRICT_NOTE)))),
  ):
    registry.register_mixture(
      Mixture(
        f'flan_holdout_{name}{suffix}',
        training_members(datasets),
        held_out=name,
        excluded=excluded,
        note=remark,
      )
    )
  registry.register_mixture(
    Mixture(
      f'flan_eval_{name}',
      evaluation_members(held_out),
      purpose='eval',
      held_out=name,
      excluded=excluded,
      note=note,
    )
  )


def _register() -> None:
  registry.register_mixture(Mixture('flan_all', training_members(DATASETS)))
  for cluster in CLUSTERS:
    note = _MISC_NOTE if cluster == 'misc' else ''
    excluded = EXCLUDED.get(cluster, ())
    _register_pair(cluster, in_cluster(cluster), excluded, note)
  for name, members in held_out_alone().items():
    held_out = tuple(d for d in DATASETS if d.name in members)
    _register_pair(name, held_out)


_register()
