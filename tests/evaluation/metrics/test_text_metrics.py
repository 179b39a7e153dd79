"""Metrics of words, by hand-computed values and against the libraries."""

import numpy as np
import pytest
from rouge_score import rouge_scorer
import sacrebleu

from flan_jax.evaluation.metrics import text_metrics
from flan_jax.evaluation.metrics.texts import Texts

# Metric, prediction, references, value of this one row.
_ROWS = [
  ('squad_f1', 'The cat!', ['a CAT'], 100),
  ('squad_em', 'The cat!', ['a CAT'], 100),
  ('squad_em', 'the cats', ['cat', 'dogs'], 0),
  # One word of two is shared with the better reference.
  ('squad_f1', 'old cat', ['dog', 'black cat'], 50),
  ('squad_f1', 'cat cat', ['cat'], 100 * 2 / 3),
  ('squad_f1', '', ['cat'], 0),
  ('squad_f1', 'the', ['an'], 100),  # nothing is left of either
  ('squad_em', 'Élodie', ['élodie'], 100),
  ('squad_em', 'U.S.', ['US'], 100),
  ('squad_f1', 'unanswerable', ['unanswerable'], 100),
  ('trivia_em', 'The_Beatles', ['Beatles'], 100),
  ('trivia_em', 'Rock-n-roll', ['rock n roll'], 100),  # SQuAD's would not
  ('trivia_em', 'U.S.', ['US'], 0),
  ('trivia_f1', '‘Help’ is it', ['help'], 50),
  ('quac_f1', 'CANNOTANSWER', ['CANNOTANSWER', 'in the spring'], 100),
  ('quac_f1', 'spring', ['CANNOTANSWER', 'in the spring'], 100 * 2 / 3),
  ('quac_f1', 'it is CANNOTANSWER', ['CANNOTANSWER'], 0),
  ('record_em', 'Mira Solen', ['Solen', 'Mira Solen'], 100),
  ('record_f1', 'Mira', ['Solen', 'Mira Solen'], 100 * 2 / 3),
  ('drop_em', '1,000', ['1000.0'], 100),
  ('drop_em', 'twenty-one men', ['twenty one men'], 100),
  # The number is missed, so that the shared word does not count.
  ('drop_f1', '4 yards', ['3 yards'], 0),
  ('drop_f1', '3 yard', ['3 yards'], 50),
  ('drop_f1', 'a yard', ['3 yards', 'yard run'], 67),
  ('drop_f1', 'Rams, Bears', ['Bears, Rams'], 100),
  ('drop_f1', 'Rams, Colts', ['Bears, Rams'], 50),
  ('drop_f1', '', ['Bears'], 0),
  (
    'coqa_f1',
    '1. yes\n2. a red one',
    ['1. yes\n2. red'],
    100 * (1 + 2 / 3) / 2,
  ),
  ('coqa_em', '1. Yes.\n2. no', ['1. yes\n2. red'], 50),
  ('coqa_f1', 'yes', ['1. yes'], 0),  # not numbered
  ('coqa_f1', '2. red', ['1. yes\n2. red'], 50),
  ('exact_match', ' -7 ', ['-7'], 100),
  ('exact_match', '7', ['-7'], 0),
  ('word_edit_distance', 'a b c', ['a b c'], 0),
  ('word_edit_distance', 'a, b c d', ['a b c'], 2),
  ('word_edit_distance', '', ['one two', 'one'], 1),
]


@pytest.mark.parametrize('name, prediction, references, value', _ROWS)
def test_hand_computed_rows(name, prediction, references, value):
  metric = text_metrics.METRICS[name]
  assert metric([prediction], [references]) == pytest.approx(value)


_GOLD = [
  'The council voted 31 to 14. It met late on Monday.',
  'Žluťoučký kůň pěl ódy.',
  '“Yes,” she said; “no more!”',
]


@pytest.mark.parametrize('name', sorted(text_metrics.METRICS))
def test_gold_reaches_the_ceiling_and_empty_strings_the_floor(name):
  gold = [f'1. {text}' for text in _GOLD]
  metric = text_metrics.METRICS[name]
  perfect, nothing = (
    metric(gold, [[g] for g in gold]),
    metric([''] * 3, [[g] for g in gold]),
  )
  if name in text_metrics.LOWER_IS_BETTER:
    assert perfect == 0 and nothing > 4
  elif name.startswith('rouge'):
    # rouge-score reads ASCII letters alone: the second row has one-letter
    # bits, the same on both sides.
    assert perfect == pytest.approx(100) and nothing == 0
  else:
    assert perfect == pytest.approx(100) and nothing == pytest.approx(0)


@pytest.mark.parametrize(
  'name, tokenizer', [('bleu', '13a'), ('bleu_intl', 'intl')]
)
def test_bleu_is_sacrebleus_corpus_score(name, tokenizer):
  predictions = [
    'The council voted by 31 to 14. It met on Monday.',
    'Kůň pěl ódy.',
    '“Yes”, she said: “no more”!',
  ]
  metric = sacrebleu.BLEU(tokenize=tokenizer)
  wanted = metric.corpus_score(predictions, [_GOLD])
  value = text_metrics.METRICS[name](predictions, [[g] for g in _GOLD])
  assert value == pytest.approx(wanted.score)
  assert text_metrics.bleu_signature(name) == str(metric.get_signature())
  assert f'tok:{tokenizer}' in text_metrics.bleu_signature(name)


def test_rouge_is_rouge_scores_best_reference_for_each_type():
  prediction = 'The council met late. It voted.'
  references = [_GOLD[0], 'The council voted. It met.']
  scorer = rouge_scorer.RougeScorer(['rouge1', 'rouge2', 'rougeLsum'])
  for kind in ('rouge1', 'rouge2', 'rougeLsum'):
    wanted = max(
      scorer.score(r.replace('. ', '.\n'), prediction.replace('. ', '.\n'))[
        kind
      ].fmeasure
      for r in references
    )
    value = text_metrics.METRICS[kind]([prediction], [references])
    assert value == pytest.approx(100 * wanted)


def test_a_resample_needs_no_texts():
  predictions, references = ['a b', 'c', 'd e'], [['a b'], ['x'], ['d f']]
  texts = Texts.of(predictions, references, ['squad_f1', 'bleu'])
  rows = np.array([2, 2, 1])
  again = Texts.of(
    [predictions[i] for i in rows],
    [references[i] for i in rows],
    ['squad_f1', 'bleu'],
  )
  taken = texts.take(rows)
  assert taken.value('squad_f1') == pytest.approx(again.value('squad_f1'))
  assert taken.value('bleu') == pytest.approx(again.value('bleu'))
  assert taken.top_share() == pytest.approx(200 / 3)
