"""A mixture of realistic size, made from the mini corpus without a network.

Twelve datasets of eight clusters, from single sentences to news articles. Rows
of the mini corpus are repeated with other words, and the field that holds the
long text is written anew from sentences of the dataset's rows, to the lengths
that real rows have. They are imported as TFDS datasets under the names of the
real builders, so that both sides of a comparison read them in the usual way.
"""

from collections.abc import Iterator, Sequence
import dataclasses
import json
import math
import pathlib
import random
import re
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.registry import Member, Mixture
from flan_jax.sources.tfds_import import import_rows, mini_corpus

MIXTURE = 'generated_corpus'


@dataclasses.dataclass(frozen=True)
class Texts:
  """How the texts of one dataset are written.

  Attributes:
    part: Name of the part, and of its file in the mini corpus.
    long: Raw feature that is written from sentences.
    words: Median of its words in real rows.
    spread: Standard deviation of their logarithm.
    short: Raw features that keep their sentence, a few words changed.
  """

  part: str
  long: str
  words: int
  spread: float
  short: tuple[str, ...]


# Lengths as in samples of about two hundred real rows.
DATASETS = (
  Texts('rte', 'premise', 32, 0.65, ('hypothesis',)),
  Texts('snli', 'premise', 11, 0.43, ('hypothesis',)),
  Texts('sst2', 'sentence', 20, 0.58, ()),
  Texts('yelp_polarity_reviews', 'text', 83, 0.96, ()),
  Texts('glue_qqp', 'question1', 9, 0.47, ('question2',)),
  Texts('ag_news_subset', 'description', 30, 0.27, ('title',)),
  Texts('bool_q', 'passage', 87, 0.53, ('question',)),
  Texts('piqa', 'goal', 7, 0.71, ('sol1', 'sol2')),
  Texts('cosmos_qa', 'context', 70, 0.33, ('question',)),
  Texts('samsum', 'dialogue', 82, 0.80, ('summary',)),
  Texts('cnn_dailymail', 'article', 437, 0.45, ('highlights',)),
  Texts('wmt16_translate_deen', 'en', 16, 0.65, ('de',)),
)

# Share of the words of a short text that are exchanged.
_CHANGED = 0.15

_SENTENCE_END = re.compile(r'(?<=[.!?\n])\s+')


def make_corpus(
  folder: pathlib.Path, parts: Sequence[str], rows: int, seed: int = 0
) -> str:
  """Writes the datasets as TFDS directory, once; registers their mixture.

  Args:
    folder: Where; a corpus that is there is used again.
    parts: Which of `DATASETS`.
    rows: Training rows of each; the other splits are the mini corpus's.
    seed: Of the texts.

  Returns:
    The TFDS data directory.
  """
  registry.register_mixture(Mixture(MIXTURE, tuple(map(Member, parts))))
  target = folder / f'corpus-{rows}-{seed}-{len(parts)}'
  if not (target / 'finished').exists():
    meta = json.loads((mini_corpus() / 'meta.json').read_text())
    raw = target / 'rows'
    raw.mkdir(parents=True, exist_ok=True)
    for texts in DATASETS:
      if texts.part in parts:
        lines = map(json.dumps, _rows(texts, rows, seed))
        path = raw / f'{texts.part}.jsonl'
        path.write_text('\n'.join(lines) + '\n', encoding='utf-8')
    meta = {part: meta[part] for part in parts}
    (raw / 'meta.json').write_text(json.dumps(meta), encoding='utf-8')
    import_rows(raw, target / 'tfds', log=lambda line: None)
    (target / 'finished').touch()
  return str(target / 'tfds')


def _rows(texts: Texts, count: int, seed: int) -> Iterator[dict[str, Any]]:
  """Yields `count` training rows and the mini corpus's other rows."""
  path = mini_corpus() / f'{texts.part}.jsonl'
  with path.open(encoding='utf-8') as file:
    mini = [json.loads(line) for line in file]
  generator = random.Random(f'{seed} {texts.part}')
  sentences = [
    sentence
    for row in mini
    for sentence in _SENTENCE_END.split(row[texts.long])
  ]
  words = {
    field: [word for row in mini for word in row[field].split(' ')]
    for field in texts.short
  }
  first = [row for row in mini if row['_split'].startswith('train')]
  for index in range(count):
    row = dict(first[index % len(first)])
    median = math.log(texts.words)
    length = math.exp(generator.gauss(median, texts.spread))
    row[texts.long] = _write(generator, sentences, length)
    for field, pool in words.items():
      row[field] = _change(generator, row[field], pool)
    yield row
  yield from (row for row in mini if row not in first)


def _write(generator: random.Random, sentences: list[str], words: float) -> str:
  """Returns a text of about so many words, at least one."""
  text: list[str] = []
  while len(text) < words:
    text += generator.choice(sentences).split(' ')
  return ' '.join(text[: max(1, round(words))])


def _change(generator: random.Random, text: str, pool: list[str]) -> str:
  """Returns a text with some words from others of its kind."""
  return ' '.join(
    generator.choice(pool) if generator.random() < _CHANGED else word
    for word in text.split(' ')
  )
