"""Which results may stand beside the paper's, and what to say of them."""

from collections.abc import Iterable, Mapping
import dataclasses
from typing import Any

from flan_jax.evaluation.paper_means import PAPER_MEANS, PaperMean
from flan_jax.evaluation.part_result import PartResult

# The content of study.json.
StudyJson = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class AskedRows:
  """The test rows of a dataset that a model was asked.

  Attributes:
    part: The dataset.
    recorded: Whether they are of the dataset's own split, and not of a smaller
      copy.
    most: Most rows that were evaluated; None for all.
  """

  part: str
  recorded: bool
  most: int | None

  @classmethod
  def of(cls, result: PartResult) -> 'AskedRows':
    return cls(result.part, result.split == 'recorded', result.max_rows)


def rows_of_study(study: StudyJson) -> list[AskedRows]:
  """Returns the rows of all results of a study that have a number."""
  return [
    AskedRows(
      part['part'],
      part.get('split', 'recorded') == 'recorded',
      part.get('max_rows'),
    )
    for cell in study['cells']
    for evaluation in (*cell['evaluations'], *cell['prompts'])
    for part in evaluation['parts']
    if part['mean'] is not None
  ]


def comparable(study: StudyJson) -> bool:
  """Whether all results of a study are of recorded rows.

  Means over clusters are compared with the paper's only then.
  """
  return all(rows.recorded for rows in rows_of_study(study))


def rows_note(asked: Iterable[AskedRows]) -> str:
  """Returns how our rows differ from the paper's; empty if they do not."""
  asked = list(asked)
  sentences = []
  copies = {rows.part for rows in asked if not rows.recorded}
  if copies:
    sentences.append(
      "The paper's values are left out where our rows are a smaller copy of "
      f'the split (datasets: {len(copies)} of {len({x.part for x in asked})}).'
    )
  most = {rows.most for rows in asked} - {None}
  if most:
    limits = ' or '.join(map(str, sorted(most)))
    sentences.append(f'Rows of a dataset that we evaluate: at most {limits}.')
  return ''.join(f' {sentence}' for sentence in sentences)


def printed_mean(**wanted: Any) -> PaperMean | None:
  """Returns the first mean of the paper with these attributes."""
  for found in PAPER_MEANS:
    if all(getattr(found, name) == value for name, value in wanted.items()):
      return found
  return None


def is_recalled(mean: PaperMean | None) -> bool:
  """Whether nothing confirms a mean; one that is not known counts as such."""
  return mean is None or mean.provenance == 'recalled'
