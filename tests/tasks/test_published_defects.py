"""Our datasets do not have the defects of the published FLAN v1 code.

Comments in the tests describe the defects. `docs/datasets.md` lists them.
"""

import collections
import re

import pytest
import tensorflow as tf

from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import evaluated
from flan_jax.evaluation.metrics import text_metrics
from flan_jax.rendering.templates import map_row
from flan_jax.testing.declarations import render_row
from tests.tasks.tfds_features import class_names

registry.load()

_PARTS = [
  part for _, part in registry.parts().values() if part.cluster != 'testing'
]


def _part(name: str):
  return registry.find_part(name)[1]


def _class_names(part) -> tuple[str, ...]:
  return class_names(part.source, part.label)


def _kept(part, row) -> bool:
  return bool(part.keep(tf.nest.map_structure(tf.constant, row)))


def test_mnli_has_the_weight_of_one_dataset():
  # The two evaluation sets were separate tasks with the same training slice.
  trained = [
    p.name for p in _PARTS if p.trains and p.source == 'glue/mnli:2.0.0'
  ]
  assert trained == ['mnli']


def test_formats_of_a_task_have_different_prompts():
  # Scoring with and without the tag used the same prompts.
  formats = [
    names.parse_task(n).part for n in ('rte', 'rte.plain', 'rte.named')
  ]
  inputs = [{t.input for t in part.templates} for part in formats]
  assert not inputs[0] & inputs[1] and not inputs[1] & inputs[2]


@pytest.mark.parametrize(
  'label, answer',
  [
    ('entailment', 'yes'),
    ('contradiction', 'no'),
    ('neutral', 'it is impossible to tell'),
  ],
)
def test_classes_are_found_by_name_not_by_order(label, answer):
  # CB's order is entailment, contradiction, neutral. The baseline swapped
  # neutral and contradiction.
  part = _part('cb')
  classes = _class_names(part)
  row = {'premise': 'a', 'hypothesis': 'b', 'label': classes.index(label)}
  rendered = render_row(part, row, classes)
  ordinary = [rendered[k][1] for k in evaluated(part.templates)]
  assert set(ordinary) == {answer}


def test_neutral_posts_are_not_negative():
  part = _part('sentiment140')
  row = {'text': 'The train leaves at nine.', 'polarity': 2}
  assert not _kept(part, row)
  assert _kept(part, {**row, 'polarity': 4})


def test_similarity_is_compared_as_a_number():
  # Verbal options were compared with a float label.
  part = _part('stsb')
  row = {'sentence1': 'a', 'sentence2': 'b', 'label': 2.6}
  mapped = map_row(part, None, tf.nest.map_structure(tf.constant, row))
  assert mapped['answer'] == b'3' and float(mapped['score']) == pytest.approx(
    2.6
  )


@pytest.mark.parametrize('part', _PARTS, ids=lambda part: part.name)
def test_metrics_match_the_kind_of_answer(part):
  # Metrics of classes received text, metrics of dialogues single strings.
  for name in part.metrics:
    assert name in text_metrics.METRICS or part.answers is None
    if part.answers is None and name in text_metrics.METRICS:
      # The text of the ranked option is compared as well.
      assert part.options is not None


def test_multirc_distinguishes_question_and_candidate():
  # The index of the answer was a copy of the index of the question.
  part = _part('multirc')
  assert part.item_key == ('passage', 'question')
  assert 'exact_by_item' in part.metrics and part.group_key == ('passage',)


def test_filters_test_values_not_names_of_features():
  # `in` tested the keys of the dictionary of features, so nothing was dropped.
  assert not _kept(
    _part('gigaword'), {'document': 'UNK said #.#', 'summary': 'x y'}
  )
  assert _kept(_part('gigaword'), {'document': 'He said so', 'summary': 'x y'})
  news = {'title': '', 'description': 'text', 'label': 1}
  assert not _kept(_part('ag_news_subset'), news)


def test_every_template_is_used_for_every_row_it_fits():
  # Round robin over batches dropped up to nine rows and chose the template by
  # the row's position in the file. Ours depends on the row's ID.
  # tests/rendering/test_seqio_tasks.py and tests/cache check that no row is
  # lost.
  task = names.parse_task('rte.all')
  assert task.every and task.template is None


def test_the_ablation_of_clusters_includes_the_last_one():
  sizes = [
    len(names.resolve(f'flan_clusters_{k}').members) for k in range(1, 8)
  ]
  assert sizes == sorted(set(sizes))
  with pytest.raises(registry.UnknownNameError):
    names.resolve('flan_clusters_8')


def test_the_number_of_exemplars_is_the_requested_one():
  for shots in (1, 5, 16):
    assert names.parse_task(f'rte.{shots}shot').shots == shots


def test_a_part_without_training_rows_has_no_exemplars():
  with pytest.raises(registry.UnknownNameError, match='no training rows'):
    names.parse_task('wsc273.5shot')
  assert 'wsc273' in {
    m.part.name for m in names.resolve('flan_eval_coreference').members
  }


def test_text_between_tags_of_a_chat_is_kept():
  part = _part('samsum')
  row = {
    'id': '1',
    'dialogue': 'Ann: <file_gif> see this <file_photo> now\r\nBen: <3',
    'summary': 'Ann shows Ben something.',
  }
  prompt = render_row(part, row)[0][0]
  assert 'see this' in prompt and 'now' in prompt and 'file_' not in prompt
  assert '<3' in prompt


def test_the_text_after_a_dateline_is_kept():
  part = _part('cnn_dailymail')
  row = {
    'article': 'LONDON, England (CNN) -- The bridge opened on Monday. It is '
    'long.',
    'highlights': 'The bridge opened.',
    'id': '1',
  }
  row |= {'publisher': 'cnn'}
  prompt = render_row(part, row)[0][0]
  assert 'The bridge opened on Monday. It is long.' in prompt
  assert '(CNN)' not in prompt


@pytest.mark.parametrize('part', _PARTS, ids=lambda part: part.name)
def test_at_most_three_templates_are_inverted(part):
  assert sum(t.inverted for t in part.templates) <= 3
  assert len(evaluated(part.templates)) >= 7
  groups = collections.Counter(t.group for t in part.templates)
  assert len(groups) == 1 or set(groups.values()) == {5}


def test_premise_and_hypothesis_are_not_swapped():
  # Two templates of SNLI swapped them under the same label.
  row = {'premise': 'PREMISE', 'hypothesis': 'HYPOTHESIS', 'label': 0}
  part = _part('snli')
  rendered = render_row(part, row, _class_names(part))
  for k in evaluated(part.templates):
    prompt = rendered[k][0]
    claim = re.search(r'[^.\n]*HYPOTHESIS[^.\n]*', prompt)[0]
    assert not re.match(r'(premise|context|given)\b', claim, re.IGNORECASE)


def test_no_template_occurs_twice():
  # CoLA's first and fourth templates were identical.
  for part in _PARTS:
    assert len({t.input for t in part.templates}) == len(part.templates)


def test_only_squad_v2_offers_unanswerable():
  part = _part('squad_v2')
  for k in evaluated(part.templates):
    assert 'unanswerable' in part.templates[k].input.lower()
  for template in _part('squad_v1').templates:
    assert 'unanswerable' not in template.input.lower()


@pytest.mark.parametrize('question', ['who wrote it', 'who wrote it?'])
def test_a_question_has_one_question_mark(question):
  part = _part('natural_questions')
  for prompt, _ in render_row(
    part, {'question': question, 'answer': ['Ann Moe']}
  ).values():
    assert '??' not in prompt and 'wrote it ?' not in prompt


def test_numbers_at_the_start_of_an_answer_stay():
  # Leading non-letters were stripped, which emptied years.
  assert text_metrics.METRICS['trivia_em'](['1945'], [['1945']]) == 100
  assert text_metrics.METRICS['trivia_em']([''], [['1945']]) == 0


def test_trivia_answers_keep_their_case():
  part = _part('trivia_qa')
  answer = {
    'value': 'Ann Moe',
    'normalized_value': 'ann moe',
    'aliases': ['A. Moe'],
    'normalized_aliases': ['a moe'],
    'matched_wiki_entity_name': '',
    'normalized_matched_wiki_entity_name': '',
    'type': 'WikipediaEntity',
  }
  row = {'question': 'Who wrote it?', 'answer': answer}
  mapped = map_row(part, None, tf.nest.map_structure(tf.constant, row))
  assert mapped['answer'] == b'Ann Moe'


def test_both_directions_of_a_translation_show_their_source():
  # Two templates hid the source, and one asked for the language's name.
  for part in _PARTS:
    if part.cluster != 'translation':
      continue
    for template in part.templates:
      (source,), (target,) = template.input_fields(), template.target_fields()
      assert {source, target} == set(part.fields) and not template.inverted
