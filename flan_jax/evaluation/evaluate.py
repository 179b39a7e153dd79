"""Evaluates parts by rank classification, from units to results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import hashlib
from typing import Any

import numpy as np

from flan_jax.data.cache import Framing, Unit
from flan_jax.data.packing import Example
from flan_jax.data.sampler import key_of, permute
from flan_jax.evaluation import protocol, rank
from flan_jax.evaluation.protocol import Ranked


@dataclasses.dataclass(frozen=True)
class EvalPart:
  """One part to evaluate.

  Attributes:
    test: Unit of the rows that are reported.
    dev: Unit of the rows that choose the template; None without such rows.
    templates: The templates to evaluate; None for every ordinary one.
  """

  test: Unit
  dev: Unit | None = None
  templates: tuple[int, ...] | None = None


@dataclasses.dataclass(frozen=True)
class Request:
  """One record of a unit, as an example to score.

  Attributes:
    unit: The unit.
    record: Index of the record.
    example: Its prompt and options.
    ended: Which options carry an end token.
  """

  unit: Unit
  record: int
  example: Example
  ended: tuple[bool, ...]


def requests(
  unit: Unit,
  framing: Framing,
  templates: Sequence[int] | None = None,
  max_rows: int | None = None,
) -> list[Request]:
  """Returns the records of a unit to score, in the unit's order.

  Args:
    unit: An evaluation unit whose answers are options.
    framing: What stands between the pieces.
    templates: Templates to use; None for all.
    max_rows: At most so many rows, picked by a hash of the part's name, so
      that every run picks the same; None for all.

  Raises:
    ValueError: the answers of the part are free text.
  """
  if unit.rows and 'correct' not in unit.rows[0]:
    raise ValueError(
      f'{unit.name} has free-form answers, which rank classification cannot '
      'score'
    )
  chosen = _chosen_rows(unit, max_rows)
  limit = unit.manifest['lengths']['targets']
  found = []
  for index, record in enumerate(unit.records):
    if int(record['row']) not in chosen:
      continue
    if templates is not None and int(record['template']) not in templates:
      continue
    prompt, *options = unit.pieces(record)
    ended = tuple(len(option) < limit for option in options)
    targets = tuple(
      framing.target(option[:limit], cut=not end)
      for option, end in zip(options, ended, strict=True)
    )
    example = Example(framing.prompt(prompt), targets)
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
  """

  results: list[dict[str, Any]]
  records: list[dict[str, Any]]


def evaluate(
  parts: Sequence[EvalPart],
  scorer: rank.Scorer,
  params: Any,
  framing: Framing,
  max_rows: int | None = None,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
  """Scores every part in one queue and reduces it to results.

  Args:
    parts: What to evaluate.
    scorer: Scores examples.
    params: Parameters of the decoder.
    framing: What stands between the pieces.
    max_rows: At most so many rows of each unit; None for all. The result says
      so.
    progress: Called with the examples done and in all.
  """
  queue: list[Request] = []
  for part in parts:
    for unit in (part.test, part.dev):
      if unit is not None:
        queue += requests(unit, framing, part.templates, max_rows)
  records = score_requests(queue, scorer, params, progress)
  ranked: dict[int, list[Ranked]] = {}
  for request, record in zip(queue, records, strict=True):
    row = int(request.unit.records[request.record]['row'])
    ranked.setdefault(id(request.unit), []).append(
      Ranked(row, record['template'], record['predicted'])
    )
  results = []
  for part in parts:
    dev = ranked.get(id(part.dev), [])
    result = protocol.part_result(
      part.test, ranked[id(part.test)], part.dev, dev
    )
    result['max_rows'] = max_rows
    results.append(result)
  return Evaluation(results, records)


def score_requests(
  queue: Sequence[Request],
  scorer: rank.Scorer,
  params: Any,
  progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[dict[str, Any]]:
  """Scores a queue and returns one record a request, in its order."""
  done = 0

  def advance(count: int) -> None:
    nonlocal done
    done += count
    progress(done, len(queue))

  scored = scorer.score(params, [r.example for r in queue], advance)
  return list(_records(queue, scored))


def _records(
  queue: Sequence[Request], scored: Sequence[Sequence[np.ndarray]]
) -> Iterator[dict[str, Any]]:
  for request, log_probs in zip(queue, scored, strict=True):
    unit = request.unit
    record = unit.records[request.record]
    row: Mapping[str, Any] = unit.rows[int(record['row'])]
    scores = rank.option_scores(log_probs, request.ended)
    predicted = rank.best(scores)
    yield {
      'dataset': unit.manifest['dataset'],
      'part': unit.name,
      'role': unit.manifest['role'],
      'template': int(record['template']),
      'id': row['id'],
      'group': row['group'],
      'prompt_hash': _hash(request.example.prompt),
      'target_hash': _hash(request.example.targets[row['correct'][0]]),
      'options': [dataclasses.asdict(score) for score in scores],
      'predicted': predicted,
      'gold': row['correct'],
      'correct': predicted in row['correct'],
    }


def _hash(tokens: Sequence[int]) -> str:
  data = np.asarray(tokens, '<i4').tobytes()
  return hashlib.sha256(data).hexdigest()[:16]
