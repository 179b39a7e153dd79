"""Evaluates parts, from splits to results.

Answers that are options are ranked; free text is generated greedily.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.batches.packing import Example
from flan_jax.cache.cached_split import Framing
from flan_jax.evaluation import aggregation
from flan_jax.evaluation.aggregation import Answer
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.stopping import stop_at, text_before
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.requests import EvalPart, Request, about, requests
from flan_jax.evaluation.scoring import rank
from flan_jax.evaluation.scoring.rank import OptionScore
from flan_jax.vocabulary.base import Vocabulary

# What an option is scored after where its prompt is left out (GPT-3).
_NO_PROMPT = 'Answer:'


@dataclasses.dataclass(frozen=True)
class Evaluation:
  """What was scored.

  Attributes:
    results: One object a part, see `aggregation.part_result`.
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
    framing: What stands between the spans.
  """

  scorer: rank.Scorer
  generator: Generator
  vocabulary: Vocabulary
  framing: Framing


def evaluate(
  parts: Sequence[EvalPart],
  models: Models,
  params: Any,
  config: EvalConfig | None = None,
  progress: Callable[[int, int], None] = lambda done, total: None,
  journal: Journal | None = None,
  contaminated: Mapping[str, Collection[str]] | None = None,
) -> Evaluation:
  """Scores every part in one queue and reduces it to results.

  Args:
    parts: What to evaluate.
    models: Score and answer.
    params: Parameters of the decoder.
    config: What is asked; its file of contaminated rows is not read here.
    progress: Called with the examples done and in all.
    journal: Has the answers found before, and is told those found now.
    contaminated: Part -> ids of rows that pretraining may have seen.
  """
  config = config or EvalConfig()
  queue = [
    request
    for part in parts
    for split in part.splits
    for request in requests(
      split, models.framing, part.templates, config.max_rows
    )
  ]
  ranked = [request for request in queue if request.ranked]
  written = [request for request in queue if not request.ranked]
  journal = journal or Journal()
  extra = ranked if config.write_options else []
  advance = _counter(len(queue) + len(extra), progress)
  alone = scores_alone(ranked, models, params, journal)
  records = score_requests(
    ranked, models.scorer, params, advance, alone, journal
  )
  records += answer_requests(
    written, models, params, advance, journal, config.stop
  )
  texts = _written_texts(
    extra, models, params, advance, journal, 'options', config.stop
  )
  for request, record, text in zip(extra, records, texts, strict=False):
    record['generated'] = text.strip()
    record['options_generated'] = request.options_written(text)
  answers: dict[int, list[Answer]] = {}
  for request, record in zip([*ranked, *written], records, strict=True):
    answers.setdefault(id(request.split), []).append(_answer(request, record))
  results = []
  for part in parts:
    if part.null:
      found = [aggregation.null_result(part.test, part.null)]
    else:
      found = aggregation.part_results(
        part.test,
        answers.get(id(part.test), []),
        part.validation,
        answers.get(id(part.validation), []),
        None if contaminated is None else contaminated.get(part.test.name, ()),
      )
    results += [
      {**r, 'max_rows': config.max_rows, 'shots': part.shots} for r in found
    ]
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
  row = int(request.split.renderings[request.rendering]['row'])
  option = record['predicted'] if request.ranked else None
  return Answer(
    row,
    request.template,
    option,
    record['text'],
    record.get('predicted_by', {}),
    record.get('options_generated'),
  )


def scores_alone(
  queue: Sequence[Request],
  models: Models,
  params: Any,
  journal: Journal | None = None,
) -> list[list[OptionScore]]:
  """Scores the options of each request after a prompt that says nothing.

  Options that several prompts share, as classes do, are scored once.
  """
  journal = journal or Journal()
  prompt = models.framing.prompt(models.vocabulary.encode(_NO_PROMPT))
  first: dict[Any, Request] = {}
  keys = [tuple(map(tuple, request.example.targets)) for request in queue]
  for key, request in zip(keys, queue, strict=True):
    first.setdefault(key, request)
  asked = [
    dataclasses.replace(request, example=Example(prompt, key))
    for key, request in first.items()
  ]
  scored = _option_scores(asked, models.scorer, params, journal, 'alone')
  by_key = dict(zip(first, scored, strict=True))
  return [by_key[key] for key in keys]


def _option_scores(
  queue: Sequence[Request],
  scorer: rank.Scorer,
  params: Any,
  journal: Journal,
  kind: str,
  advance: Callable[[int], None] = lambda count: None,
) -> list[list[OptionScore]]:
  """Scores a queue, but for what the journal has."""

  def found(todo: Sequence[int]) -> Iterator[tuple[int, Any]]:
    examples = [queue[n].example for n in todo]
    for index, log_probs in scorer.scored(params, examples):
      ended = queue[todo[index]].ended
      scores = rank.option_scores(log_probs, ended)
      yield index, [dataclasses.astuple(score) for score in scores]

  answers = _through(journal, kind, len(queue), found, advance)
  return [[OptionScore(*score) for score in scores] for scores in answers]


def _through(
  journal: Journal,
  kind: str,
  count: int,
  find: Callable[[Sequence[int]], Iterator[tuple[int, Any]]],
  advance: Callable[[int], None],
) -> list[Any]:
  """Finds what a journal does not have, and notes it there.

  Args:
    journal: Has answers under `kind` and their number.
    kind: Of the queue.
    count: Requests of the queue.
    find: Numbers to find -> (index among them, answer), in any order.
    advance: Called with the number of answers there since last.
  """
  todo = [n for n in range(count) if f'{kind} {n}' not in journal.found]
  advance(count - len(todo))
  for index, answer in find(todo):
    journal.add(f'{kind} {todo[index]}', answer)
    advance(1)
  return [journal.found[f'{kind} {n}'] for n in range(count)]


def score_requests(
  queue: Sequence[Request],
  scorer: rank.Scorer,
  params: Any,
  advance: Callable[[int], None] = lambda count: None,
  alone: Sequence[Sequence[OptionScore]] | None = None,
  journal: Journal | None = None,
) -> list[dict[str, Any]]:
  """Ranks the options of a queue.

  Args:
    queue: What is asked.
    scorer: Scores it.
    params: Parameters of the decoder.
    advance: Called with the number of requests done since last.
    alone: The scores of each request's options without their prompt.
    journal: As in `evaluate`.

  Returns:
    One record a request, in order.
  """
  journal = journal or Journal()
  scored = _option_scores(queue, scorer, params, journal, 'ranked', advance)
  nothing = [None] * len(queue)
  return [
    _ranked_record(request, scores, lone)
    for request, scores, lone in zip(
      queue, scored, nothing if alone is None else alone, strict=True
    )
  ]


def _ranked_record(
  request: Request,
  scores: Sequence[OptionScore],
  alone: Sequence[OptionScore] | None,
) -> dict[str, Any]:
  texts = request.option_texts
  rules = rank.values_by_rule(scores, texts, alone)
  predicted_by = {rule: rank.best(values) for rule, values in rules.items()}
  gold = request.row['correct']
  lone = [None] * len(scores) if alone is None else alone
  return {
    **about(request, request.example.targets[gold[0]]),
    'options': [
      {
        'text': text,
        **dataclasses.asdict(score),
        'unconditional': single.without_end if single else None,
      }
      for text, score, single in zip(texts, scores, lone, strict=True)
    ],
    'predicted': predicted_by['total'],
    'predicted_by': predicted_by,
    'text': texts[predicted_by['total']],
    'gold': gold,
    'correct': predicted_by['total'] in gold,
  }


def answer_requests(
  queue: Sequence[Request],
  models: Models,
  params: Any,
  advance: Callable[[int], None] = lambda count: None,
  journal: Journal | None = None,
  stop: Sequence[str] = (),
) -> list[dict[str, Any]]:
  """Answers a queue in free text; returns one record a request, in order."""
  texts = _written_texts(
    queue, models, params, advance, journal or Journal(), 'written', stop
  )
  return [
    written_record(request, text)
    for request, text in zip(queue, texts, strict=True)
  ]


def _written_texts(
  queue: Sequence[Request],
  models: Models,
  params: Any,
  advance: Callable[[int], None],
  journal: Journal,
  kind: str,
  stop: Sequence[str],
) -> list[str]:
  """Has a queue answered in free text, but for what the journal has."""
  decode = models.vocabulary.decode

  def found(todo: Sequence[int]) -> Iterator[tuple[int, Any]]:
    yield from models.generator.answers(
      params,
      [queue[n].example.prompt for n in todo],
      [queue[n].split.manifest['lengths']['targets'] for n in todo],
      stop_at(decode, stop),
    )

  generated = _through(journal, kind, len(queue), found, advance)
  return [text_before(decode(tokens), stop) for tokens in generated]


def written_record(request: Request, text: str) -> dict[str, Any]:
  """Returns the record of a request that was answered in free text."""
  return {
    **about(request, request.example.targets[0]),
    'text': text.strip(),
    'references': aggregation.references(
      request.split, request.row, request.template
    ),
  }
