"""Digests of the tokens of the mini corpus.

Run `python -m tests.golden.tokens` after an intended change of tokens, by new
templates, fields or mini rows. After a change of the rendering itself, raise
`RENDERING_VERSION` first.
"""

from collections.abc import Sequence
import json
import pathlib
import tempfile

from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey, content_digest
from flan_jax.cache.writer import make_cached_splits
from flan_jax.definitions import registry
from flan_jax.sources import tfds_import
from flan_jax.vocabulary.load import load_vocabulary

FILE = pathlib.Path(__file__).with_name('tokens.json')
# Short, so that long prompts and targets are cut.
LENGTHS = {'inputs': 224, 'targets': 64}


def all_keys() -> list[SplitKey]:
  """Returns every split of every part of `tasks/`."""
  return [
    SplitKey(part, split)
    for dataset in registry.datasets()
    # Other tests register datasets of their own.
    if dataset.cluster != 'testing'
    for part in dataset.resolve_parts()
    for split in part.splits
  ]


def digests(
  keys: Sequence[SplitKey], config: CacheConfig
) -> dict[str, list[str]]:
  """Returns split -> digests of its content (identity) and of its tokens."""
  vocabulary = load_vocabulary('mini')
  made = make_cached_splits(keys, config, vocabulary, log=lambda line: None)
  return {
    str(key): [content_digest(key, config, vocabulary), split.digest]
    for key, split in zip(keys, made, strict=True)
  }


def main() -> None:
  """Records the digests of all splits."""
  registry.load()
  with tempfile.TemporaryDirectory() as folder:
    config = CacheConfig(f'{folder}/cache', f'{folder}/tfds', LENGTHS)
    tfds_import.import_rows(
      tfds_import.mini_corpus(), config.data_dir, log=lambda line: None
    )
    found = digests(all_keys(), config)
  lines = [f'{json.dumps(name)}: {json.dumps(d)}' for name, d in found.items()]
  FILE.write_text('{\n' + ',\n'.join(lines) + '\n}\n', encoding='utf-8')


if __name__ == '__main__':
  main()
