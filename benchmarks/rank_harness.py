"""lm-evaluation-harness with a model of `transformers`, a side of `rank_eval`.

Needs `lm_eval` and PyTorch, and nothing of this project.
"""

import contextlib
import itertools
import json
import os
import pathlib
import time
from typing import Any

import lm_eval
from lm_eval.models.huggingface import HFLM
import torch
import transformers

from benchmarks.side_process import serve

# Requests on which it is tried with how many threads PyTorch is faster.
_TRIAL = 16


class HarnessSide:
  """Scores tokenized requests as the harness does.

  Its task: `hugging_face` and `requests`, as `rank_requests` returns them.
  """

  def __init__(self, task: dict[str, Any]):
    self._model = HFLM(
      pretrained=task['hugging_face'], device='cpu', dtype='float32'
    )
    found = json.loads(pathlib.Path(task['requests']).read_text('utf-8'))
    self._check_tokens(found)
    self._options = {
      dataset: [len(row['options']) for row in rows]
      for dataset, rows in found.items()
    }
    # No text: there is nothing to be looked up under it.
    self._requests = {
      dataset: [
        (None, row['prompt'], option)
        for row in rows
        for option in row['options']
      ]
      for dataset, rows in found.items()
    }
    self._threads = self._choose_threads()

  def _check_tokens(self, found: dict[str, list[dict[str, Any]]]) -> None:
    """Raises ValueError where the harness divides prompt and option otherwise.

    The tokens that are scored are to be those of its own convention.
    """
    for dataset, rows in found.items():
      for row in rows:
        for (prompt, option), tokens in zip(
          row['texts'], row['options'], strict=True
        ):
          theirs = self._model._encode_pair(prompt, option)
          if theirs != (row['prompt'], tokens):
            raise ValueError(
              f'{dataset}: {option!r} after {prompt[-40:]!r} is '
              f'{theirs[1]} to the harness, not {tokens}'
            )

  def prepare(self, dataset: str, batch_size: int) -> dict[str, Any]:
    """Scores a dataset once; returns scores, tokens, threads and versions."""
    with self._counted() as tokens:
      scores = iter(self._scores(self._requests[dataset], batch_size))
    return {
      'scores': [
        list(itertools.islice(scores, count))
        for count in self._options[dataset]
      ],
      'tokens': tokens,
      'versions': {
        'lm_eval': lm_eval.__version__,
        'torch': torch.__version__,
        'transformers': transformers.__version__,
      },
      'settings': {
        'attention': self._model.model.config._attn_implementation,
        **self._threads,
      },
    }

  def score(self, dataset: str, batch_size: int) -> None:
    """Scores every option of a dataset."""
    self._scores(self._requests[dataset], batch_size)

  def _scores(self, requests: list, batch_size: int) -> list[float]:
    self._model.batch_size_per_gpu = batch_size
    answers = self._model._loglikelihood_tokens(requests, disable_tqdm=True)
    return [score for score, _ in answers]

  @contextlib.contextmanager
  def _counted(self):
    """Counts what the model is called with; see `rank_own`."""
    tokens = {'computed': 0, 'logits': 0, 'batches': 0}
    call = self._model._model_call

    def counting(rows, *arguments, **named):
      tokens['computed'] += rows.numel()
      tokens['logits'] += rows.numel()  # At every place.
      tokens['batches'] += 1
      return call(rows, *arguments, **named)

    self._model._model_call = counting
    try:
      yield tokens
    finally:
      del self._model._model_call

  def _choose_threads(self) -> dict[str, Any]:
    """Takes one thread or one a core, whichever is faster now.

    Where other work holds a core, threads that wait for each other are slower
    by far than one alone.
    """
    requests = next(iter(self._requests.values()))[:_TRIAL]
    seconds = {}
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
      torch.set_num_threads(threads)
      self._scores(requests[:1], 1)
      begin = time.perf_counter()
      self._scores(requests, _TRIAL)
      seconds[threads] = round(time.perf_counter() - begin, 3)
    threads = min(seconds, key=seconds.get)
    torch.set_num_threads(threads)
    return {'threads': threads, 'trial_seconds_by_threads': seconds}


if __name__ == '__main__':
  serve(HarnessSide)
