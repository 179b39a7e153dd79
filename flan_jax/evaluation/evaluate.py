"""Evaluates parts, from units to results.

Answers that are options are ranked; free text is generated greedily.
"""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import hashlib
from typing import Any

import numpy as np

from flan_jax.data.cache import Framing, Unit
from flan_jax.data.few_shot import FewShotUnit
from flan_jax.data.packing import Example
from flan_jax.data.sampler import key_of, permute
from flan_jax.data.vocabulary import Vocabulary
from flan_jax.evaluation import protocol, rank
from flan_jax.evaluation.generate import Generator
from flan_jax.evaluation.protocol import Answer


@dataclasses.dataclass(frozen=True)
class EvalPart:
  """One part to evaluate.

  Attributes:
    test: Unit of the rows that are reported.
    dev: Unit of the rows that choose the template; None without such rows.
    templates: The templates to evaluate; None for every ordinary one.
    shots: Most exemplars before each example.
    null: Why it cannot be evaluated as asked; empty where it can.
  """

  test: Unit
  dev: Unit | None = None
  templates: tuple[int, ...] | None = None
  shots: int = 0
  null: str = ''

  @property
  def units(self) -> tuple[Unit, ...]:
    """The units to score."""
    units = () if self.null else (self.test, self.dev)
    return tuple(unit for unit in units if unit is not None)


@dataclasses.dataclass(frozen=True)
class Request:
  """One record of a unit, as an example to score or a prompt to continue.

  Attributes:
    unit: The unit.
    record: Index of the record.
    example: Its prompt and options; the only target of free text is gold.
    ended: Which targets carry an end token.
  """

  unit: Unit
  record: int
  example: Example
  ended: tuple[bool, ...]

  @property
  def ranked(self) -> bool:
    return 'correct' in self.row

  @property
  def row(self) -> Mapping[str, Any]:
    return self.unit.rows[int(self.unit.records[self.record]['row'])]

  @property
  def template(self) -> int:
    return int(self.unit.records[self.record]['template'])


def requests(
  unit: Unit,
  framing: Framing,
  templates: Sequence[int] | None = None,
  max_rows: int | None = None,
) -> list[Request]:
  """Returns the records of a unit to score, in the unit's order.

  Args:
    unit: An evaluation unit.
    framing: What stands between the pieces.
    templates: Templates to use; None for all.
    max_rows: At most so many rows, picked by a hash of the part's name, so
      that every run picks the same; None for all.
  """
  chosen = _chosen_rows(unit, max_rows)
  limit = unit.manifest['lengths']['targets']
  found = []
  for index, record in enumerate(unit.records):
    if int(record['row']) not in chosen:
      continue
    if templates is not None and int(record['template']) not in templates:
      continue
    _, *options = unit.pieces(record)
    ended = tuple(len(option) < limit for option in options)
    targets = tuple(
      framing.target(option[:limit], cut=not end)
      for option, end in zip(options, ended, strict=True)
    )
    example = Example(unit.prompt(index, framing), targets)
    found.append(Request(unit, index, example, ended))
  return found


def _chosen_rows(unit: Unit, max_rows: int | None) -> set[int]:
  rows = np.arange(unit.num_rows)
  if max_rows is not None and max_rows < unit.num_rows:
    rows = permute(rows, unit.num_rows, key_of(unit.name))[:max_rows]
  return set(rows.tolist())


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What was scored.

  Attributes:
    results: One object a part, see `protocol.part_result`.
    records: One object a scored record: its row, template, option scores,
      prediction.
    answers: What was said to the test rows of each part that was evaluated.
  """

  results: list[dict[str, Any]]
  records: list[dict[str, Any]]
  answers: list[tuple[EvalPart, list[Answer]]]


@dataclasses.dataclass(frozen=True)
class Models:
  """What reads prompts.

  Attributes:
    scorer: Ranks answers that are options.
    generator: Writes answers that are free text.
    vocabulary: Turns generated tokens into text.
    framing: What stands between the pieces.
  """

  scorer: rank.Scorer
  generator: Generator
  vocabulary: Vocabulary
  framing: Framing


def evaluate(
  parts: Sequence[EvalPart],
  models: Models,
  params: Any,
  max_rows: int | None = None,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
  """Scores every part in one queue and reduces it to results.

  Args:
    parts: What to evaluate.
    models: Score and answer.
    params: Parameters of the decoder.
    max_rows: At most so many rows of each unit; None for all. The result says
      so.
    progress: Called with the examples done and in all.
  """
  queue = [
    request
    for part in parts
    for unit in part.units
    for request in requests(unit, models.framing, part.templates, max_rows)
  ]
  ranked = [request for request in queue if request.ranked]
  written = [request for request in queue if not request.ranked]
  advance = _counter(len(queue), progress)
  records = score_requests(ranked, models.scorer, params, advance)
  records += answer_requests(written, models, params, advance)
  answers: dict[int, list[Answer]] = {}
  for request, record in zip([*ranked, *written], records, strict=True):
    answers.setdefault(id(request.unit), []).append(_answer(request, record))
  results = []
  for part in parts:
    if part.null:
      found = [protocol.null_result(part.test, part.null)]
    else:
      found = protocol.part_results(
        part.test,
        answers.get(id(part.test), []),
        part.dev,
        answers.get(id(part.dev), []),
      )
    results += [{**r, 'max_rows': max_rows, 'shots': part.shots} for r in found]
  said = [
    (part, answers.get(id(part.test), [])) for part in parts if not part.null
  ]
  return Evaluation(results, records, said)


def _counter(total: int, progress: Callable[[int, int], None]):
  done = 0

  def advance(count: int) -> None:
    nonlocal done
    done += count
    progress(done, total)

  return advance


def _answer(request: Request, record: Mapping[str, Any]) -> Answer:
  row = int(request.unit.records[request.record]['row'])
  option = record['predicted'] if request.ranked else None
  return Answer(row, request.template, option, record['text'])


def score_requests(
  queue: Sequence[Request],
  scorer: rank.Scorer,
  params: Any,
  advance: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
  """Ranks the options of a queue; returns one record a request, in order."""
  scored = scorer.score(params, [r.example for r in queue], advance)
  records = []
  for request, log_probs in zip(queue, scored, strict=True):
    scores = rank.option_scores(log_probs, request.ended)
    predicted = rank.best(scores)
    gold = request.row['correct']
    records.append(
      {
        **_about(request, request.example.targets[gold[0]]),
        'options': [dataclasses.asdict(score) for score in scores],
        'predicted': predicted,
        'text': _option(request, predicted),
        'gold': gold,
        'correct': predicted in gold,
      }
    )
  return records


def _option(request: Request, index: int) -> str:
  """Returns the words of an option."""
  choices = request.unit.manifest['choices']
  words = list(choices.values()) if choices else request.row['options']
  return words[index]


def answer_requests(
  queue: Sequence[Request],
  models: Models,
  params: Any,
  advance: Callable[[int], None] = lambda count: None,
) -> list[dict[str, Any]]:
  """Answers a queue in free text; returns one record a request, in order."""
  generated = models.generator.generate(
    params,
    [request.example.prompt for request in queue],
    [request.unit.manifest['lengths']['targets'] for request in queue],
    advance,
  )
  return [
    {
      **_about(request, request.example.targets[0]),
      'text': models.vocabulary.decode(tokens).strip(),
      'references': protocol.references(
        request.unit, request.row, request.template
      ),
    }
    for request, tokens in zip(queue, generated, strict=True)
  ]


def _about(request: Request, target: Sequence[int]) -> dict[str, Any]:
  return {
    'dataset': request.unit.manifest['dataset'],
    'part': request.unit.name,
    'format': request.unit.manifest['format'],
    'template_set': request.unit.manifest['template_set'],
    'role': request.unit.manifest['role'],
    'template': request.template,
    'shots': _shots_shown(request),
    'id': request.row['id'],
    'group': request.row['group'],
    'prompt_hash': _hash(request.example.prompt),
    'target_hash': _hash(target),
  }


def _shots_shown(request: Request) -> int:
  if not isinstance(request.unit, FewShotUnit):
    return 0
  return len(request.unit.exemplars(request.record))


def _hash(tokens: Sequence[int]) -> str:
  data = np.asarray(tokens, '<i4').tobytes()
  return hashlib.sha256(data).hexdigest()[:16]
