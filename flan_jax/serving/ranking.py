"""Answers `/rank`: the scores of options by the rule of evaluations."""

from typing import Any

import numpy as np

from flan_jax.evaluation.scoring import rank
from flan_jax.serving.completions import Desk
from flan_jax.serving.jobs import Scoring
from flan_jax.serving.results import Results
from flan_jax.serving.schema import RankRequest


async def ranked(request: RankRequest, desk: Desk) -> dict[str, Any]:
  """Returns the score and the probability of each option; raises ApiError."""
  name, params = desk.engine.find(request.model)
  examples = desk.engine.options(request)
  read = sum(example.length for example in examples)
  desk.metrics.tokens.labels('prompt').inc(read)
  async with Results(desk.seconds) as results:
    jobs = [
      Scoring(params, results.deliver_to(index), example)
      for index, example in enumerate(examples)
    ]
    results.submit(jobs, desk.scheduler)
    found = await results.all()
  log_probs = [
    np.float32(target) for scored in found for target in scored.targets
  ]
  scores = rank.option_scores(log_probs, [True] * len(log_probs))
  totals = [score.total for score in scores]
  return {
    'model': name,
    'best': rank.best(totals),
    'options': [
      {
        'text': text,
        'score': score.total,
        'score_without_end': score.without_end,
        'tokens': score.tokens,
        'probability': probability,
      }
      for text, score, probability in zip(
        request.options, scores, _probabilities(totals), strict=True
      )
    ],
  }


def _probabilities(totals: list[float]) -> list[float]:
  """Returns the probabilities of options, given that one of them is said."""
  raised = np.exp(np.array(totals) - max(totals))
  return (raised / raised.sum()).tolist()
