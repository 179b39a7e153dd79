"""Real rows of every dataset render correctly, with the declared label words.

Skipped if FLAN_JAX_REAL_DATA is not a folder of real rows. The project contains
no such rows.
"""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import OPTIONS, evaluated
from flan_jax.rendering.templates import (
  OPTION_BULLET,
  OPTIONS_HEADER,
  admissible,
  check_class_names,
  compile_templates,
  map_row,
)
from flan_jax.rendering.tfds_rows import open_builder
from flan_jax.sources import tfds_import
from tests.tasks.tfds_features import class_names

registry.load()

pytestmark = pytest.mark.slow

_PARTS = sorted(
  name
  for name, (_, part) in registry.parts().items()
  if part.cluster != 'testing'
)
# Available only on request, or without a public copy.
_WITHOUT_ROWS = {
  'opinion_abstracts_idebate',
  'opinion_abstracts_rotten_tomatoes',
  'story_cloze',
  'wsc273',
}
# The largest share of rows that filters may drop.
_MOST_FILTERED = {
  'gigaword': 0.7,  # rows with UNK or #
  'fix_punct': 0.3,  # nothing was stripped
  'sentiment140': 0.35,  # neutral
  'snli': 0.05,  # no majority label
  'openbookqa': 0.02,  # repeated choices
}


@pytest.fixture(scope='module')
def real_tfds(real_data, tmp_path_factory) -> str:
  """Imports the real rows with their builders; returns the TFDS folder."""
  folder = tmp_path_factory.mktemp('real')
  source = folder / 'rows'
  source.mkdir()
  meta = json.loads((real_data / 'meta.json').read_text())
  entries = {}
  for path in real_data.glob('*.jsonl'):
    (source / path.name).symlink_to(path)
    entries[path.stem] = {'tfds': meta[path.stem]['tfds']}
    if path.stem == 'xsum':
      entries[path.stem]['drop'] = ['id']
  (source / 'meta.json').write_text(json.dumps(entries))
  data_dir = str(folder / 'tfds')
  tfds_import.import_rows(source, data_dir, log=lambda line: None)
  return data_dir


def _rendered(part, data_dir):
  """Returns the number of rows, and the kept rows under every template."""
  builder = open_builder(part.source, data_dir)
  names = None
  if isinstance(part.label, str):
    feature = builder.info.features[part.label]
    names = tuple(getattr(feature, 'names', None) or ()) or None
  check_class_names(part, names)
  table = compile_templates(part)

  def render(row):
    mapped = map_row(part, names, row)
    texts = table.render(table.pool(mapped), tf.range(len(table.indices)))
    return (
      texts,
      admissible(part, mapped),
      mapped['answers'],
      mapped['options'],
    )

  total, rows = 0, []
  for split, info in builder.info.splits.items():
    dataset = builder.as_dataset(split=split)
    total += info.num_examples
    if part.keep is not None:
      dataset = dataset.filter(part.keep)
    rows += dataset.map(render).as_numpy_iterator()
  return total, rows


@pytest.mark.parametrize('name', sorted(set(_PARTS) - _WITHOUT_ROWS))
def test_real_rows_render_with_the_answer_among_the_options(name, real_tfds):
  _, part = registry.find_part(name)
  ordinary = evaluated(part.templates)
  total, rows = _rendered(part, real_tfds)
  assert len(rows) >= total * (1 - _MOST_FILTERED.get(name, 0))
  for texts, allowed, answers, options in rows:
    assert sum(allowed[k] for k in ordinary) >= 5
    assert len(answers) and all(answer.strip() for answer in answers)
    for k in np.flatnonzero(allowed):
      prompt, target = (text.decode() for text in texts[k])
      assert prompt.strip() and target.strip() and prompt == prompt.rstrip()
      for text in (prompt, target):
        _assert_tidy(part, text)
      if OPTIONS in part.templates[k].input_fields():
        _assert_options(prompt, target, answers, options)


# Entities, invisible characters, other spaces than the plain one, quotation
# marks of treebanks; punctuation that follows a space.
_TRACES = re.compile(
  r'&(?:amp|lt|gt|quot|nbsp|#\d+);|[\u00ad\u200b\u200e\u200f\ufeff]'
  r"|[\u00a0\u2009\u202f\u3000]|  |``|''"
)
_TOKENIZED = re.compile(r"\w (?:[,.;:?!]|n't|'(?:s|re|ve|ll|d|m))(?:\s|$)")


def _assert_tidy(part, text):
  found = _TRACES.search(text)
  # French has spaces before some marks.
  if not found and part.cluster != 'translation':
    found = _TOKENIZED.search(text)
  assert not found, text[max(0, found.start() - 40) : found.end() + 20]


def _assert_options(prompt, target, answers, options):
  block = prompt.rpartition(f'{OPTIONS_HEADER}\n')[2].split('\n')
  shown = [line.removeprefix(OPTION_BULLET) for line in block]
  assert target in shown and target.encode() in answers
  assert len(set(shown)) == len(shown) == len(options)
  assert sorted(shown) == sorted(option.decode() for option in options)


_POSITIVE = 'good great best love excellent amazing wonderful fun enjoy'.split()
_NEGATIVE = 'bad worst awful terrible boring waste poor hate sad dull'.split()


def _words(text: str) -> list[str]:
  return re.findall(r"[a-z']+", text.lower())


def _raw_rows(real_data, name: str) -> list[dict]:
  lines = (real_data / f'{name}.jsonl').read_text(encoding='utf-8')
  return [json.loads(line) for line in lines.split('\n') if line]


def _answer(part, row) -> str:
  names = None
  if isinstance(part.label, str):
    names = class_names(part.source, part.label)
  tensors = tf.nest.map_structure(tf.constant, dict(row))
  return map_row(part, names, tensors)['answer'].numpy().decode()


@pytest.mark.parametrize(
  'name, text',
  [
    ('imdb_reviews', 'text'),
    ('yelp_polarity_reviews', 'text'),
    ('sst2', 'sentence'),
    ('sentiment140', 'text'),
  ],
)
def test_positive_texts_have_more_positive_words(name, text, real_data):
  part = registry.find_part(name)[1]
  balance = {'negative': [], 'positive': []}
  for row in _raw_rows(real_data, name):
    row.pop('_split')
    if row.get('polarity') == 2:
      continue
    words = _words(row[text])
    score = sum(words.count(w) for w in _POSITIVE)
    score -= sum(words.count(w) for w in _NEGATIVE)
    balance[_answer(part, row)].append(score)
  assert np.mean(balance['positive']) > np.mean(balance['negative'])


@pytest.mark.parametrize(
  'name, file, first, second',
  [
    ('rte', 'rte', 'premise', 'hypothesis'),
    ('mnli', 'mnli_matched', 'premise', 'hypothesis'),
    ('snli', 'snli', 'premise', 'hypothesis'),
    ('glue_mrpc', 'glue_mrpc', 'sentence1', 'sentence2'),
    ('glue_qqp', 'glue_qqp', 'question1', 'question2'),
    ('qnli', 'qnli', 'sentence', 'question'),
  ],
)
def test_pairs_labelled_yes_share_more_words(
  name, file, first, second, real_data
):
  part = registry.find_part(name)[1]
  overlap = {}
  for row in _raw_rows(real_data, file):
    row.pop('_split')
    if row['label'] < 0:
      continue
    a, b = set(_words(row[first])), set(_words(row[second]))
    overlap.setdefault(_answer(part, row), []).append(len(a & b) / len(b))
  assert np.mean(overlap['yes']) > np.mean(overlap['no'])


def test_similarity_scores_correlate_with_shared_words(real_data):
  part = registry.find_part('stsb')[1]
  numbers, overlaps = [], []
  for row in _raw_rows(real_data, 'stsb'):
    row.pop('_split')
    a, b = (set(_words(row[f'sentence{i}'])) for i in (1, 2))
    numbers.append(int(_answer(part, row)))
    overlaps.append(len(a & b) / len(a | b))
  # About .5 on two samples of 200 pairs, with a standard error of .05. Shuffled
  # scores give 0 with one of .07, reversed ones -.5.
  assert np.corrcoef(numbers, overlaps)[0, 1] > 0.25
