"""Rows in the layout of the Hugging Face hub become TFDS rows.

The layouts are those that `tests.tasks.hub_rows` writes; nothing is downloaded.
"""

import functools
import json

from flan_jax.tasks.hub_copies import HUB_COPIES
import pytest

from flan_jax.definitions import registry
from flan_jax.sources.features import check_row
from flan_jax.sources.tfds_import import mini_corpus
from tests.tasks import tfds_features
from tests.tasks.hub_rows import hub_row, named

registry.load()

# Features that the copies lack; no template needs them.
_NOT_THERE = {
  'bool_q:1.0.0': {'title'},
  'cnn_dailymail:3.4.0': {'publisher'},
  'piqa:1.0.0': {'id'},
  'squad/v2.0:3.0.0': {'plausible_answers'},
  'wsc273:1.0.0': {'idx'},
}
_NO_COPY = {
  'ag_news_subset:1.0.0',
  'drop:2.0.0',
  'newsroom:1.0.0',
  'opinion_abstracts/idebate:1.0.0',
  'opinion_abstracts/rotten_tomatoes:1.0.0',
  'para_crawl/enda:1.2.0',
  'para_crawl/enes:1.2.0',
  'story_cloze/2016:1.0.0',
}


@functools.cache
def _mini_rows() -> dict[str, list[dict]]:
  """Returns TFDS source -> its rows in the mini corpus."""
  meta = json.loads((mini_corpus() / 'meta.json').read_text('utf-8'))
  rows: dict[str, list[dict]] = {}
  for stem, about in meta.items():
    text = (mini_corpus() / f'{stem}.jsonl').read_text('utf-8')
    rows.setdefault(about['tfds'], []).extend(
      json.loads(line) for line in text.splitlines()
    )
  return rows


def test_all_sources_but_those_without_a_copy_are_declared():
  assert set(HUB_COPIES) == set(tfds_features.sources()) - _NO_COPY


@pytest.mark.parametrize('source', HUB_COPIES)
def test_rows_of_the_hub_become_those_of_tfds(source):
  not_there = _NOT_THERE.get(source, set())
  features = set(tfds_features.features(source))
  for row in _mini_rows()[source]:
    expected = named(source, row)
    (found,) = HUB_COPIES[source].rows(hub_row(source, row))
    assert features <= set(found)
    for name in features - not_there:
      if source.startswith('ai2_arc') and name == 'choices':
        assert found[name]['text'] == expected[name]['text']
        letters = ['ABCDE'[label] for label in expected[name]['label']]
        assert found[name]['label'] == letters
      else:
        assert found[name] == expected[name], name


@pytest.mark.slow
@pytest.mark.parametrize('source', HUB_COPIES)
def test_tfds_takes_the_rows(source, tmp_path):
  import tensorflow_datasets as tfds

  features = tfds.builder(source, data_dir=str(tmp_path)).info.features
  for row in _mini_rows()[source][:2]:
    for found in HUB_COPIES[source].rows(hub_row(source, row)):
      check_row(features, {name: found[name] for name in features})


def test_every_turn_of_a_dialogue_is_a_row():
  row = hub_row('quac:1.0.0', _mini_rows()['quac:1.0.0'][0])
  for name in ('questions', 'followups', 'yesnos'):
    row[name] = [row[name][0], f'second of {name}']
  for answers in (row['answers'], row['orig_answers']):
    answers['texts'] *= 2
    answers['answer_starts'] *= 2
  first, second = HUB_COPIES['quac:1.0.0'].rows(row)
  assert first['context'] == second['context']
  assert second['question'] == 'second of questions'
  assert second['yesno'] == 'second of yesnos'
