"""Everything that a report says, before it becomes a page or a file."""

from collections.abc import Iterable, Sequence
import dataclasses
from typing import Any

from flan_jax.report import commands
from flan_jax.report.commands import Recipe, recipes
from flan_jax.report.dataset_tables import (
  Contrast,
  cluster_table,
  contrasts,
  dataset_table,
  template_table,
)
from flan_jax.report.drawing import Absent, Figure
from flan_jax.report.example_cards import MOST_BYTES, Card, cards
from flan_jax.report.figures import figures
from flan_jax.report.paper_tables import cluster_means_table, paper_tables
from flan_jax.report.run_facts import (
  Facts,
  digest_table,
  facts,
  version_table,
)
from flan_jax.report.sources import Sources
from flan_jax.report.study_tables import few_shot_systems, study_tables
from flan_jax.report.systems import find_systems
from flan_jax.report.tables import Table

# Beginning of a figure's name -> the section that shows it.
_SECTION_OF = {
  'training': 'training',
  'clusters_seen': 'training',
  'lengths': 'training',
  'study': 'studies',
}


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of the report.

  Attributes:
    name: Its anchor.
    title: Its heading.
    intro: A sentence below the heading.
    tables: Its tables.
    figures: Its figures.
  """

  name: str
  title: str
  intro: str
  tables: tuple[Table, ...] = ()
  figures: tuple[Figure, ...] = ()


@dataclasses.dataclass(frozen=True)
class Piece:
  """A piece of an example's text.

  Attributes:
    text: The text.
    weight: What its tokens count in the loss; 0 for none.
  """

  text: str
  weight: float


@dataclasses.dataclass(frozen=True)
class Document:
  """A report.

  Attributes:
    facts: What was tuned, on what.
    summary: The held-out numbers.
    results: By dataset.
    paper: Beside the paper.
    studies: The panels of studies.
    examples: Prompts with the answers of the models.
    examples_left_out: How many examples are not shown.
    training: How training went.
    loss_examples: The dataset of a training example, and its pieces.
    recipes: Commands that make the results again.
    reproduction: Versions and digests.
    absent: What is not among the results, with the command that makes it.
  """

  facts: tuple[Facts, ...]
  summary: Section
  results: Section
  paper: Section
  studies: Section
  examples: tuple[Card, ...]
  examples_left_out: int
  training: Section
  loss_examples: tuple[tuple[str, tuple[Piece, ...]], ...]
  recipes: tuple[Recipe, ...]
  reproduction: Section
  absent: tuple[Absent, ...]

  @property
  def sections(self) -> tuple[Section, ...]:
    return (
      self.summary,
      self.results,
      self.paper,
      self.studies,
      self.training,
      self.reproduction,
    )

  @property
  def tables(self) -> list[Table]:
    return [table for section in self.sections for table in section.tables]

  @property
  def figures(self) -> list[Figure]:
    return [figure for section in self.sections for figure in section.figures]


def make_document(sources: Sources) -> Document:
  """Returns the report on results; the same results give the same report.

  Datasets must be registered.

  Raises:
    UserError: A file of records cannot be read.
  """
  drawn = figures(sources)
  found = contrasts(find_systems(sources))
  examples, left_out = _examples(found)
  loss_examples = _loss_examples(sources)
  absent = [one for one in drawn if isinstance(one, Absent)]
  absent += _absent(found, examples, loss_examples, sources)
  return Document(
    facts=tuple(facts(sources)),
    summary=Section(
      'summary',
      'Summary',
      'Scores on the evaluated clusters, before and after tuning.',
      tuple(_summary(found)),
    ),
    results=Section(
      'results',
      'Results by dataset',
      'Every ordinary template is asked; scores are means over templates.'
      + _seeds_note(sources),
      tuple(t for c in found for t in (dataset_table(c), template_table(c))),
      _figures_of('results', drawn),
    ),
    paper=Section(
      'paper',
      'Beside the paper',
      'Results of arXiv:2109.01652. Its model has 137 billion parameters.',
      tuple(_beside_the_paper(found, sources)),
    ),
    studies=Section(
      'studies',
      'Studies',
      "The paper's experiments, repeated.",
      tuple(t for study in sources.studies for t in study_tables(study)),
      _figures_of('studies', drawn),
    ),
    examples=tuple(examples),
    examples_left_out=left_out,
    training=Section(
      'training',
      'Training and its data',
      'How training went, and what it drew.',
      (),
      _figures_of('training', drawn),
    ),
    loss_examples=loss_examples,
    recipes=tuple(recipes(sources)),
    reproduction=Section(
      'reproduction',
      'How to repeat it',
      'The commands read the operative configuration below them.',
      tuple(
        table
        for table in (version_table(sources), digest_table(sources))
        if table.rows
      ),
    ),
    absent=tuple(absent),
  )


def _summary(found: Iterable[Contrast]) -> Iterable[Table]:
  for contrast in found:
    if contrast.tuned.parts:
      yield cluster_table(contrast)
    means = cluster_means_table(contrast)
    if means is not None:
      yield means


def _beside_the_paper(
  found: Iterable[Contrast], sources: Sources
) -> Iterable[Table]:
  for contrast in found:
    yield from paper_tables(contrast.tuned, contrast.name)
  for number, system in enumerate(few_shot_systems(sources.studies), 1):
    yield from paper_tables(system, f'study_{number}_')


def _seeds_note(sources: Sources) -> str:
  seeds = max(
    (len(s.json['design']['seeds']) for s in sources.studies), default=1
  )
  if seeds < 2:
    return ''
  return (
    f' Of the {seeds} seeds of a study, the first is shown here; the tables of '
    'the study average all.'
  )


def _figures_of(
  section: str, drawn: Iterable[Figure | Absent]
) -> tuple[Figure, ...]:
  def place(name: str) -> str:
    known = (s for start, s in _SECTION_OF.items() if name.startswith(start))
    return next(known, 'results')

  return tuple(
    one
    for one in drawn
    if isinstance(one, Figure) and place(one.name) == section
  )


def _examples(found: Sequence[Contrast]) -> tuple[list[Card], int]:
  shown, left_out = [], 0
  for contrast in found:
    own, missing = cards(
      contrast.base, contrast.tuned, MOST_BYTES // len(found)
    )
    shown += own
    left_out += missing
  return shown, left_out


def _loss_examples(
  sources: Sources,
) -> tuple[tuple[str, tuple[Piece, ...]], ...]:
  return tuple(
    (
      example['part'],
      tuple(Piece(p['text'], p['weight']) for p in example['pieces']),
    )
    for run in sources.runs
    for example in (run.data or {}).get('loss_example', ())
  )


def _absent(
  found: Sequence[Contrast],
  examples: Sequence[Card],
  loss_examples: Sequence[Any],
  sources: Sources,
) -> Iterable[Absent]:
  if not any(contrast.base for contrast in found):
    command = commands.to_compare(sources)
    yield Absent('base', 'The model before tuning', command)
  if not examples:
    # The smallest size of a study describes none unless it is asked to.
    command = commands.to_evaluate(sources, '--gin.EVAL_EXAMPLES=8')
    yield Absent('examples', 'Examples of answers', command)
  if not loss_examples:
    command = commands.to_train(sources)
    yield Absent('loss_example', 'Which tokens carry loss', command)
