"""What the sides of `rank_eval` read: weights, and prompts with options.

A process of its own, which ends before anything is measured: making a token
cache needs TensorFlow.
"""

from collections.abc import Iterator, Sequence
import json
import pathlib
import shutil
from typing import Any

from benchmarks.generate_sides import open_model
from benchmarks.rank_results import DATASETS
from benchmarks.side_process import serve
from flan_jax.cache.cached_split import (
  CacheConfig,
  CachedSplit,
  Framing,
  SplitKey,
)
from flan_jax.cache.store import CacheStore
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.evaluation.requests import Request, requests
from flan_jax.sources.mini import open_data_dir
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

# As in gin/models/smollm2_135m.gin.
_PROMPT_FORMAT = '{input} '
# Where a small copy has fewer test rows than asked for, development rows too.
_SPLITS = ('test', 'validation')


class RequestMaker:
  """Makes in a folder what is not there yet.

  Its task: `folder`, and `model`, `data_dir`, `datasets`, `rows` and
  `templates` as the flags of `rank_eval`.
  """

  def __init__(self, task: dict[str, Any]):
    self._task = task
    self._folder = pathlib.Path(task['folder'])

  def make(self) -> dict[str, str]:
    """Returns the paths of `checkpoint`, `hugging_face` and `requests`.

    The first two hold the same weights in float32. The third is an object of
    lists by dataset, of what `as_harness` returns, one for each row and
    template.
    """
    registry.load()
    checkpoint, exported = self._model()
    config = CacheConfig(
      cache_dir=str(self._folder),
      data_dir=open_data_dir(self._task['data_dir'], str(self._folder)),
      prompt_format=_PROMPT_FORMAT,
    )
    path = self._folder / 'requests.json'
    found = self._requests(config, load_vocabulary(str(checkpoint)))
    path.write_text(json.dumps(found), encoding='utf-8')
    return {
      'checkpoint': str(checkpoint),
      'hugging_face': str(exported),
      'requests': str(path),
    }

  def _model(self) -> tuple[pathlib.Path, ...]:
    name = pathlib.PurePath(self._task['model']).name
    folder = self._folder / 'models' / name
    if not folder.exists():
      unfinished = folder.with_name(f'{name}.unfinished')
      shutil.rmtree(unfinished, ignore_errors=True)  # What was broken off.
      unfinished.mkdir(parents=True)
      open_model(self._task['model'], unfinished)
      unfinished.rename(folder)
    return folder / 'imported', folder / 'exported'

  def _requests(
    self, config: CacheConfig, vocabulary: Vocabulary
  ) -> dict[str, list[dict[str, Any]]]:
    keys = {
      part: [
        SplitKey(part, split)
        for split in _SPLITS
        if split in registry.find_part(part)[1].splits
      ]
      for dataset in self._task['datasets']
      for part in DATASETS[dataset]
    }
    make_cached_splits(
      [key for of in keys.values() for key in of], config, vocabulary
    )
    store = CacheStore(config, vocabulary)
    framing = Framing.of(config, vocabulary)
    return {
      dataset: [
        as_harness(request, vocabulary)
        for part, rows in shares(self._task['rows'], DATASETS[dataset])
        for request in chosen(
          [store.find(key) for key in keys[part]],
          framing,
          rows,
          self._task['templates'],
        )
      ]
      for dataset in self._task['datasets']
    }


def shares(rows: int, parts: Sequence[str]) -> list[tuple[str, int]]:
  """Divides the rows of a dataset among its parts.

  >>> shares(8, ('anli_r1', 'anli_r2', 'anli_r3'))
  [('anli_r1', 3), ('anli_r2', 3), ('anli_r3', 2)]
  """
  each, left = divmod(rows, len(parts))
  return [(part, each + (n < left)) for n, part in enumerate(parts)]


def chosen(
  units: Sequence[CachedSplit], framing: Framing, rows: int, templates: int
) -> Iterator[Request]:
  """Yields requests of `rows` rows under the first `templates` templates."""
  for unit in units:
    numbers = sorted({int(record['template']) for record in unit.renderings})
    yield from requests(unit, framing, numbers[:templates], rows)
    rows -= min(rows, unit.num_rows)


def as_harness(request: Request, vocabulary: Vocabulary) -> dict[str, Any]:
  """Returns prompt, options and gold as lm-evaluation-harness divides them.

  Options have no end token; white space at the end of the prompt belongs to
  them, and prompt and option become tokens together. The harness compares
  `texts`, (prompt, option) of each option, with these tokens.
  """
  example = request.example
  said = vocabulary.decode([int(token) for token in example.prompt])
  prompt = said.rstrip()
  space = said[len(prompt) :]
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
    'texts': [(said, option) for option in options],
  }


if __name__ == '__main__':
  serve(RequestMaker)
