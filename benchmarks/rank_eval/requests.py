"""What the sides of `rank_eval` read: weights, and prompts with options.

Made in a process that ends before anything is measured: it needs TensorFlow.
"""

from collections.abc import Iterator, Sequence
import json
import pathlib
from typing import Any

from benchmarks.common import weights
from benchmarks.common.side_process import serve
from benchmarks.rank_eval.datasets import ranked_parts
from flan_jax.batches.training_splits import with_exemplars
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.requests import Request, requests
from flan_jax.rendering.exemplars import SHARED
from flan_jax.sources.mini import open_data_dir
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

# Validation rows are used where a small copy has too few test rows.
_SPLITS = ('test', 'validation')
# Between an exemplar and what follows, as in the harness.
_BETWEEN = '\n\n'
_SEED = 0


class RequestMaker:
  """Makes what its folder does not hold yet; the task has the flags."""

  def __init__(self, task: dict[str, Any]):
    self._task = task
    self._folder = pathlib.Path(task['folder'])

  def make(self) -> dict[str, str]:
    """Returns the paths of both forms of the weights, and of the requests.

    The requests are JSON: dataset -> a list of what `as_harness` returns.
    """
    registry.load()
    checkpoint, exported = weights.open_model(self._task['model'], self._folder)
    config = CacheConfig(
      cache_dir=str(self._folder),
      data_dir=open_data_dir(self._task['data_dir'], str(self._folder)),
      prompt_format=weights.PROMPT_FORMAT,
      exemplar_separator=_BETWEEN,
    )
    vocabulary = load_vocabulary(str(checkpoint))
    path = self._folder / 'requests.json'
    datasets = {
      dataset: [
        as_harness(request, vocabulary)
        for part, rows in shares(self._task['rows'], ranked_parts(dataset))
        for request in self._requests(part, rows, config, vocabulary)
      ]
      for dataset in self._task['datasets']
    }
    path.write_text(json.dumps(datasets), encoding='utf-8')
    names = ('checkpoint', 'hugging_face', 'requests')
    paths = map(str, (checkpoint, exported, path))
    return dict(zip(names, paths, strict=True))

  def _requests(
    self, part: str, rows: int, config: CacheConfig, vocabulary: Vocabulary
  ) -> Iterator[Request]:
    declared, shots = registry.find_part(part)[1], self._task['shots']
    keys = [
      named_split(part, name) for name in _SPLITS if name in declared.splits
    ]
    framing, pool = Framing.of(config, vocabulary), None
    if shots:
      if declared.exemplar_part is None:
        raise ConfigError(f'{part} has no training rows: use --shots=0')
      key = SplitKey(declared.exemplar_part, 'train')
      (pool,) = make_cached_splits([key], config, vocabulary)
    for split in make_cached_splits(keys, config, vocabulary):
      split = with_exemplars(split, pool, shots, _SEED, framing, SHARED)
      numbers = sorted({int(found['template']) for found in split.renderings})
      chosen = numbers[: self._task['templates']]
      yield from requests(split, framing, chosen, rows)
      rows -= min(rows, split.num_rows)


def shares(rows: int, parts: Sequence[str]) -> list[tuple[str, int]]:
  """Divides the rows of a dataset among its subsets."""
  each, left = divmod(rows, len(parts))
  return [(part, each + (n < left)) for n, part in enumerate(parts)]


def as_harness(request: Request, vocabulary: Vocabulary) -> dict[str, Any]:
  """Returns prompt, options and gold, divided as lm-evaluation-harness does.

  Options have no end token. White space at the end of the prompt belongs to the
  options, and each option is tokenized together with its prompt. The harness
  checks these tokens against `texts`, the (prompt, option) of each option.
  """
  example = request.example
  text = vocabulary.decode([int(token) for token in example.prompt])
  prompt = text.rstrip()
  space = text[len(prompt) :]
  prompt_tokens = vocabulary.encode(prompt)
  options = [
    vocabulary.decode([int(t) for t in (option[:-1] if ended else option)])
    for option, ended in zip(example.targets, request.ended, strict=True)
  ]
  return {
    'prompt': prompt_tokens,
    'options': [
      vocabulary.encode(prompt + space + option)[len(prompt_tokens) :]
      for option in options
    ],
    'gold': list(request.row['correct']),
    'shots': request.about(example.targets[0])['shots'],
    'texts': [(text, option) for option in options],
  }


if __name__ == '__main__':
  serve(RequestMaker)
