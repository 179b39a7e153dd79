"""Hold-outs: a training mixture and an evaluation mixture per cluster.

`flan_holdout_nli` trains on everything that may be seen if natural language
inference is evaluated, and `flan_eval_nli` evaluates it. Each miscellaneous
dataset is also held out alone, as in the paper, except CoQA and QuAC, which are
held out together.
"""

from collections.abc import Iterable

from flan_jax.tasks import CLUSTERS, DATASETS

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.registry import Member, Mixture

# Evaluated cluster -> clusters that may not be trained on, because they need
# the same skill (FLAN, section 2.2 and appendix).
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

# Each miscellaneous dataset needs a skill of its own; these two need the same.
CONVERSATIONAL_QA = ('coqa', 'quac')

_MISC_NOTE = (
  'holds out all miscellaneous datasets at once; the paper holds them out one '
  'by one'
)
_STRICT_NOTE = (
  'also leaves out datasets derived from the evaluated ones, or the other way'
)


def held_out_alone() -> dict[str, tuple[str, ...]]:
  """Returns name -> miscellaneous datasets held out together."""
  alone = {
    dataset.name: (dataset.name,)
    for dataset in DATASETS
    if dataset.cluster == 'misc' and dataset.name not in CONVERSATIONAL_QA
  }
  return {'conversational_qa': CONVERSATIONAL_QA, **alone}


def in_cluster(*clusters: str) -> tuple[Dataset, ...]:
  """Returns this project's datasets of some clusters, in order."""
  return tuple(d for d in DATASETS if d.cluster in clusters)


def training_members(datasets: Iterable[Dataset]) -> tuple[Member, ...]:
  """Returns the parts of datasets that train."""
  return tuple(
    Member(part.name)
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.trains
  )


def evaluation_members(datasets: Iterable[Dataset]) -> tuple[Member, ...]:
  """Returns the parts of datasets that are evaluated."""
  return tuple(
    Member(part.name)
    for dataset in datasets
    for part in dataset.resolve_parts()
    if part.evaluates
  )


def related(dataset: Dataset, others: Iterable[Dataset]) -> bool:
  """Whether a dataset was made from one of the others, or the other way."""
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
  """Registers the mixtures that train and evaluate a hold-out."""
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
