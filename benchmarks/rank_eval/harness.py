"""lm-evaluation-harness with a model of `transformers`.

Needs `lm_eval` and PyTorch, and nothing of this project.
"""

import contextlib
import itertools
import json
import pathlib
from typing import Any
from unittest import mock

from lm_eval.models.huggingface import HFLM

from benchmarks.common import figures
from benchmarks.common.side_process import serve
from benchmarks.common.torch_threads import choose_threads

# Number of requests that are scored to choose the number of threads.
_TRIAL = 16


class HarnessSide:
  """Scores tokenized requests as the harness does.

  Its task: `hugging_face` and `requests`, as `RequestMaker` returns them.
  """

  def __init__(self, task: dict[str, Any]):
    self._model = HFLM(
      pretrained=task['hugging_face'], device='cpu', dtype='float32'
    )
    datasets = json.loads(pathlib.Path(task['requests']).read_text('utf-8'))
    self._check_tokens(datasets)
    self._options = {
      dataset: [len(row['options']) for row in rows]
      for dataset, rows in datasets.items()
    }
    # The text is None: the harness looks nothing up under it.
    self._requests = {
      dataset: [
        (None, row['prompt'], option)
        for row in rows
        for option in row['options']
      ]
      for dataset, rows in datasets.items()
    }
    requests = next(iter(self._requests.values()))[:_TRIAL]
    self._threads = choose_threads(lambda: self._scores(requests, _TRIAL))

  def _check_tokens(self, datasets: dict[str, list[dict[str, Any]]]) -> None:
    """Raises ValueError if the harness divides prompt and option differently.

    The tokens that are scored must be those of its own convention.
    """
    for row in itertools.chain(*datasets.values()):
      pairs = zip(row['texts'], row['options'], strict=True)
      for (prompt, option), tokens in pairs:
        theirs = self._model._encode_pair(prompt, option)
        if theirs != (row['prompt'], tokens):
          raise ValueError(
            f'the harness encodes {option!r} after {prompt[-40:]!r} as '
            f'{theirs[1]}, not {tokens}'
          )

  def prepare(self, case: str, batch_size: int) -> dict[str, Any]:
    """Scores a dataset once; returns scores, tokens, threads and versions."""
    with self._counted() as tokens:
      scores = iter(self._scores(self._requests[case], batch_size))
    return {
      'scores': [
        list(itertools.islice(scores, count)) for count in self._options[case]
      ],
      'tokens': tokens,
      'versions': figures.versions(['lm_eval', 'torch', 'transformers']),
      'settings': {
        'attention': self._model.model.config._attn_implementation,
        **self._threads,
      },
    }

  def run(self, case: str, batch_size: int) -> None:
    """Scores every option of a dataset."""
    self._scores(self._requests[case], batch_size)

  def _scores(self, requests: list, batch_size: int) -> list[float]:
    self._model.batch_size_per_gpu = batch_size
    answers = self._model._loglikelihood_tokens(requests, disable_tqdm=True)
    return [score for score, _ in answers]

  @contextlib.contextmanager
  def _counted(self):
    """Counts the tokens that the model is called with, as `own` does."""
    tokens = {'computed': 0, 'logits': 0, 'batches': 0}
    call = self._model._model_call

    def counting(rows, *arguments, **named):
      tokens['computed'] += rows.numel()
      tokens['logits'] += rows.numel()  # At every position.
      tokens['batches'] += 1
      return call(rows, *arguments, **named)

    with mock.patch.object(self._model, '_model_call', counting):
      yield tokens


if __name__ == '__main__':
  serve(HarnessSide)
