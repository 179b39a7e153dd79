"""A mixture of realistic size, made from the mini corpus without a network.

It has twelve datasets of eight clusters. Rows of the mini corpus are repeated,
and the field with the long text is rewritten from sentences of the dataset, to
the lengths of real rows. All sides read them as TFDS datasets under the names
of the real builders.
"""

from collections.abc import Iterator, Sequence
import json
import math
import pathlib
import random
import re
from typing import Any, NamedTuple

from flan_jax.definitions import registry
from flan_jax.definitions.registry import Member, Mixture
from flan_jax.sources.tfds_import import import_rows, mini_corpus

MIXTURE = 'generated_corpus'


class Texts(NamedTuple):
  """How the texts of one dataset are written."""

  field: str  # Raw feature that is written from sentences.
  words: int  # Median number of its words in real rows.
  spread: float  # Standard deviation of the logarithm of that number.


# Lengths from samples of about two hundred real rows.
DATASETS = {
  'rte': Texts('premise', 32, 0.65),
  'snli': Texts('premise', 11, 0.43),
  'sst2': Texts('sentence', 20, 0.58),
  'yelp_polarity_reviews': Texts('text', 83, 0.96),
  'glue_qqp': Texts('question1', 9, 0.47),
  'ag_news_subset': Texts('description', 30, 0.27),
  'bool_q': Texts('passage', 87, 0.53),
  'piqa': Texts('goal', 7, 0.71),
  'cosmos_qa': Texts('context', 70, 0.33),
  'samsum': Texts('dialogue', 82, 0.80),
  'cnn_dailymail': Texts('article', 437, 0.45),
  'wmt16_translate_deen': Texts('en', 16, 0.65),
}

_SENTENCE_END = re.compile(r'(?<=[.!?\n])\s+')


def make_corpus(
  folder: pathlib.Path, datasets: Sequence[str], count: int, seed: int = 0
) -> str:
  """Registers the mixture; returns its TFDS directory, making it if missing.

  Each dataset has `count` training rows, and the mini corpus's other splits.
  """
  registry.register_mixture(Mixture(MIXTURE, tuple(map(Member, datasets))))
  target = folder / f'corpus-{count}-{seed}-{len(datasets)}'
  if not (target / 'finished').exists():
    meta = json.loads((mini_corpus() / 'meta.json').read_text())
    raw = target / 'rows'
    raw.mkdir(parents=True, exist_ok=True)
    for name in datasets:
      lines = [json.dumps(row) + '\n' for row in rows(name, count, seed)]
      (raw / f'{name}.jsonl').write_text(''.join(lines), encoding='utf-8')
    meta = json.dumps({name: meta[name] for name in datasets})
    (raw / 'meta.json').write_text(meta, encoding='utf-8')
    import_rows(raw, target / 'tfds', log=lambda line: None)
    (target / 'finished').touch()
  return str(target / 'tfds')


def rows(name: str, count: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields `count` training rows and the mini corpus's other rows."""
  field, words, spread = DATASETS[name]
  text = (mini_corpus() / f'{name}.jsonl').read_text('utf-8')
  mini = [json.loads(line) for line in text.splitlines()]
  sentences = [s for row in mini for s in _SENTENCE_END.split(row[field])]
  generator = random.Random(f'{seed} {name}')
  train = [row for row in mini if row['_split'].startswith('train')]
  for index in range(count):
    length = round(math.exp(generator.gauss(math.log(words), spread)))
    written: list[str] = []
    while len(written) < max(1, length):
      written += generator.choice(sentences).split(' ')
    row = train[index % len(train)]
    yield {**row, field: ' '.join(written[: max(1, length)])}
  yield from (row for row in mini if row not in train)
