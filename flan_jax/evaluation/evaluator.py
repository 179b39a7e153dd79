"""Evaluates parts: ranks options, writes free text, and aggregates answers."""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flan_jax.evaluation.aggregation import part_results
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.examples import choose, describe, prompt_text
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.predictions import Answer
from flan_jax.evaluation.ranked import rank_options
from flan_jax.evaluation.requests import Request, requests
from flan_jax.evaluation.written import write_answers, written_record
from flan_jax.runtime import processes


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What an evaluation found.

  Attributes:
    results: At least one result for each part, on the first process; the others
      have none.
    records: One object for each request: its row, template, answer and scores.
    answers: The answers to the test rows of each part that was evaluated.
    examples: Some of the records for people to read, see `examples.describe`.
  """

  results: list[PartResult]
  records: list[dict[str, Any]]
  answers: list[tuple[EvalPart, list[Answer]]]
  examples: list[dict[str, Any]]


def evaluate(
  parts: Sequence[EvalPart],
  session: Session,
  config: EvalConfig | None = None,
  contaminated: Contaminated | None = None,
) -> Evaluation:
  """Answers all parts in one queue and aggregates the answers.

  `contaminated` replaces the file that the configuration names.
  """
  config = config or EvalConfig()
  queue = []
  for part in parts:
    framing = session.models.framing.after(part.soft_prompt)
    for split in part.splits:
      queue += requests(split, framing, part.templates, config.max_rows)
  chosen = choose(queue, parts, config.examples)
  written = [request for request in chosen if request.ranked]
  if config.write_options:
    written = [request for request in queue if request.ranked]
  session.bar.total = len(queue) + len(written)
  answered = _ask(queue, session, config)
  answers: dict[int, list[Answer]] = {}
  for request, record in answered:
    answers.setdefault(id(request.split), []).append(
      Answer.recorded(request.row_index, record)
    )
  if config.record_prompts and processes.is_first():
    for request, record in answered:
      record['prompt'] = prompt_text(request, session)
  results = []
  for part in parts if processes.is_first() else ():
    results += part_results(
      part,
      answers.get(id(part.test), []),
      answers.get(id(part.validation), []),
      contaminated and contaminated.of(part.test.name),
      config.max_rows,
    )
  return Evaluation(
    results,
    [record for _, record in answered],
    [(p, answers.get(id(p.test), [])) for p in parts if not p.null],
    describe(chosen, answered, session, config.stop),
  )


def _ask(
  queue: Sequence[Request], session: Session, config: EvalConfig
) -> list[tuple[Request, dict[str, Any]]]:
  """Returns every request with its record, ranked ones first."""
  ranked = [request for request in queue if request.ranked]
  free = [request for request in queue if not request.ranked]
  records = rank_options(ranked, session)
  texts = write_answers(free, session, 'written', config.stop)
  records += [written_record(*pair) for pair in zip(free, texts, strict=True)]
  if config.write_options:
    texts = write_answers(ranked, session, 'options', config.stop)
    for request, record, text in zip(ranked, records, texts, strict=False):
      record['generated'] = text.strip()
      record['options_generated'] = request.options_written(text)
  return list(zip([*ranked, *free], records, strict=True))
