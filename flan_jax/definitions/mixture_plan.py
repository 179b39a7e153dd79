"""What the name of a mixture, dataset or task stands for, as objects."""

import dataclasses

from flan_jax.definitions.dataset import Dataset
from flan_jax.definitions.registry import Mixture

# FLAN, section 2.1: rows beyond 3,000 add no weight to a dataset.
MIXING_CAP = 3000


def mixing_rate(rows: int) -> int:
  """Returns how often one mixture epoch draws from a part of `rows` rows."""
  return min(rows, MIXING_CAP)


@dataclasses.dataclass(frozen=True)
class PlanMember:
  """One part in a mixture.

  Attributes:
    part: The resolved part, with the templates of the member's format.
    templates: Indices of the templates used; None for all that apply.
    shots: Most exemplars before each example.
    exemplar_part: The part, in the same format, whose training rows serve as
      exemplars; None if there are no such rows.
  """

  part: Dataset
  templates: tuple[int, ...] | None = None
  shots: int = 0
  exemplar_part: Dataset | None = None

  @property
  def dataset(self) -> Dataset:
    """The declared dataset that the part belongs to."""
    return self.part.dataset

  @property
  def format(self) -> str:
    return self.part.format


@dataclasses.dataclass(frozen=True)
class MixturePlan(Mixture):
  """A name, resolved; see `names.resolve`.

  `name` is as given. `purpose` is None for a dataset or a task, which serve
  training and evaluation.
  """

  members: tuple[PlanMember, ...]
  purpose: str | None = None

  def splits_needed(
    self, training: bool = True, scored: bool = True
  ) -> tuple[str, ...]:
    """Returns the splits that are read.

    Validation rows serve both purposes: they watch training and choose the
    template that is tested.

    Args:
      training: Whether a dataset or task is trained on as well.
      scored: Whether validation rows are scored while a mixture is trained on.
    """
    if not training or self.purpose == 'eval':
      return ('validation', 'test')
    if self.purpose == 'train':
      return ('train', 'validation') if scored else ('train',)
    return ('train', 'validation', 'test')
