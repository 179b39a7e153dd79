"""The weights and prompts of `generate`.

Made in a process that ends before anything is measured: it needs TensorFlow.
"""

import json
import pathlib
from typing import Any

from benchmarks.common import weights
from benchmarks.common.side_process import serve
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.evaluation.requests import requests
from flan_jax.sources.mini import open_data_dir
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

# Validation rows are used where a small copy has too few test rows.
_SPLITS = ('test', 'validation')
# The format that SmolLM2-Instruct was tuned with. In it, the model ends its
# answers.
_CHAT_FORMAT = '<|im_start|>user\n{input}<|im_end|>\n<|im_start|>assistant\n'


class PromptMaker:
  """Makes what its folder does not hold yet; the task has the flags."""

  def __init__(self, task: dict[str, Any]):
    self._task = task
    self._folder = pathlib.Path(task['folder'])

  def make(self) -> dict[str, str]:
    """Returns the paths of both forms of the weights, and of the prompts.

    The prompts are JSON: dataset -> the tokens of each.
    """
    registry.load()
    checkpoint, exported = weights.open_model(self._task['model'], self._folder)
    config = CacheConfig(
      cache_dir=str(self._folder),
      data_dir=open_data_dir(self._task['data_dir'], str(self._folder)),
      prompt_format=_CHAT_FORMAT,
    )
    vocabulary = load_vocabulary(str(checkpoint))
    framing = Framing.of(config, vocabulary)
    prompts = {}
    for dataset in self._task['datasets']:
      declared, found = registry.find_part(dataset)[1], []
      keys = [
        named_split(dataset, name)
        for name in _SPLITS
        if name in declared.splits
      ]
      for split in make_cached_splits(keys, config, vocabulary):
        left = self._task['prompts'] - len(found)
        template = min(int(each['template']) for each in split.renderings)
        chosen = requests(split, framing, [template], left) if left else ()
        found += [list(map(int, each.example.prompt)) for each in chosen]
      prompts[dataset] = found
    path = self._folder / 'prompts.json'
    path.write_text(json.dumps(prompts), encoding='utf-8')
    names = ('checkpoint', 'hugging_face', 'prompts')
    paths = map(str, (checkpoint, exported, path))
    return dict(zip(names, paths, strict=True))


if __name__ == '__main__':
  serve(PromptMaker)
