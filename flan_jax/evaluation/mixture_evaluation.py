"""The evaluation of one mixture, with progress, a journal and result files."""

from collections.abc import Iterator, Mapping, Sequence
import dataclasses
import os
from typing import Any

from flan_jax import __version__
from flan_jax.definitions.held_out import History
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.evaluation import records
from flan_jax.evaluation.before_after import screen
from flan_jax.evaluation.comparison import compare, judged, means
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.evaluator import Evaluation, evaluate
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.models import Models, Session
from flan_jax.rendering.exemplars import SHARED
from flan_jax.runtime import processes
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.blocks import Block, Line
from flan_jax.terminal.screen import show
from flan_jax.training.checkpoint import params_digest


@dataclasses.dataclass(frozen=True)
class MixtureEvaluation:
  """Evaluates a mixture, for as many sets of parameters as there are.

  Attributes:
    plan: The mixture.
    contaminated: Rows that pretraining may have seen; None if not known.
    about: What `results.json` records of every evaluation.
  """

  plan: MixturePlan
  parts: Sequence[EvalPart]
  models: Models
  config: EvalConfig
  contaminated: Contaminated | None = None
  about: Mapping[str, Any] = dataclasses.field(default_factory=dict)

  def __post_init__(self):
    if self.contaminated is not None:
      self.contaminated.check(self.parts)

  @property
  def mixture(self) -> str:
    return self.plan.name

  @property
  def _folder_name(self) -> str:
    few_shot = any(part.shots for part in self.parts)
    shared = self.about.get('fewshot_exemplars') == SHARED
    return records.folder_name(self.mixture, few_shot and shared)

  def run(
    self,
    params: Any,
    folder: str | os.PathLike,
    about: Mapping[str, Any],
    history: History,
  ) -> Evaluation:
    """Evaluates, prints the tables, and writes results and records.

    All processes evaluate; the first one prints and writes. Answers that the
    same parameters gave to the same prompts are not asked for again.

    Args:
      params: Parameters of the decoder.
      folder: Results are written below it, in a folder named as the mixture,
        with `.shared` if all rows have the same exemplars.
      about: What `results.json` records of this evaluation.
      history: What the parameters were trained on.
    """
    breaches = history.breaches([self.plan])
    folder = os.path.join(folder, self._folder_name)
    journal = self._journal(folder, params)
    with Bar(
      f'evaluating {self.mixture}',
      unit='example',
      enabled=processes.is_first(),
    ) as bar:
      session = Session(self.models, params, journal, bar)
      try:
        evaluation = evaluate(
          self.parts, session, self.config, self.contaminated
        )
      finally:
        journal.flush()
    if processes.is_first():
      tables = records.write(
        folder,
        evaluation,
        {
          'not_held_out': breaches,
          'mixture': self.mixture,
          'trained_on': history.last,
          **dataclasses.asdict(self.config),
          **about,
          **self.about,
        },
      )
      exceptions = self._exceptions(evaluation)
      show(['', *tables, *exceptions, f'results: {folder}'])
    return evaluation

  def _journal(self, folder: str, params: Any) -> Journal:
    """Opens the answers found earlier; every process has the same ones."""
    path = os.path.join(folder, records.ANSWERS)
    key = {
      'params': params_digest(params),
      'model': dataclasses.asdict(self.models.config),
      'scored_in': self.models.scorer.compute_dtype,
      'framing': dataclasses.asdict(self.models.framing),
      'splits': [s.digest for part in self.parts for s in part.splits],
      'templates': [part.templates for part in self.parts],
      'soft_prompts': [part.soft_prompt for part in self.parts],
      'max_rows': self.config.max_rows,
      'stop': self.config.stop,
      'flan_jax': __version__,
    }
    # The first process alone reads and writes: another may see an older file,
    # and would then ask for other answers than its partners.
    own = path if processes.is_first() else None
    journal = processes.first_then_others(lambda: Journal(own, key))
    journal.found = processes.from_first(journal.found)
    if journal.found:
      processes.log(f'reusing {len(journal.found)} answers from {path}')
    return journal

  def _exceptions(self, evaluation: Evaluation) -> Iterator[Block]:
    if self.config.max_rows is not None:
      yield f'evaluated at most {self.config.max_rows} rows of each subset'
    for result in evaluation.results:
      if result.null is not None:
        yield f'{result.part} was not evaluated: {result.null}'

  def print_comparison(
    self, before: Evaluation, after: Evaluation, folder: str | os.PathLike
  ) -> None:
    """Prints what changed between evaluations; writes it below `folder`.

    What a person wants to see first is printed last, on one screen.
    """
    if not processes.is_first():
      return
    comparisons = []
    for (part, first), (_, second) in zip(
      before.answers, after.answers, strict=True
    ):
      comparisons += compare(part, first, second)
    comparisons = judged(comparisons)
    folder = os.path.join(folder, self._folder_name)
    changed = screen(before, after, comparisons)
    tables = records.write_comparison(
      folder, comparisons, means(comparisons), changed
    )
    title = f'{self.mixture}, before and after, means over templates:'
    show(['', Line(title, 'bold'), *tables])
    title = f'what tuning changed in {self.mixture}'
    show(['', Line(title, 'bold'), '', *changed])
