"""What tuning changed fits one screen and states what it rests on."""

import html
import re

from flan_jax.evaluation.before_after import screen
from flan_jax.evaluation.comparison import compare, judged
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.evaluator import evaluate
from flan_jax.evaluation.models import Session
from flan_jax.terminal.blocks import plain
from tests.command_line import ROOT
from tests.evaluation.splits import part, request_split
from tests.evaluation.stub_models import stub_models


def _parts(count, metrics=('accuracy',)):
  parts = []
  for number in range(count):
    rows = [{'correct': [n % 2], 'answers': ['red']} for n in range(8)]
    if metrics != ('accuracy',):
      rows = [{'answers': ['red']}] * 8
    split = request_split(rows)
    split.name = f'part{number}'
    parts.append(part(split, metrics=metrics))
  return parts


_FEW = ('too', 'few', 'rows')


def _screen(parts, examples=4, after=(8,)):
  config = EvalConfig(examples=examples)
  found = [
    evaluate(parts, Session(stub_models(tokens), None), config)
    for tokens in ((7,), after)
  ]
  comparisons = []
  for (one, first), (_, second) in zip(
    *(evaluation.answers for evaluation in found), strict=True
  ):
    comparisons += compare(one, first, second)
  return plain(screen(*found, judged(comparisons)))


def test_free_answers_scores_and_examples_are_shown():
  text = _screen(_parts(2))
  # "Yes." is an option, and the right one for half of the rows; "red" is none.
  assert 'percent of 8 rows' in text
  valid, right = (
    next(line.split() for line in text.splitlines() if line.startswith(name))
    for name in ('one of the options', 'the right one')
  )
  assert valid[-2:] == ['100', '0']
  assert right[-1] == '0'
  line = next(x for x in text.splitlines() if x.startswith('part0'))
  assert line.split() == ['part0', '8', '50.0', '50.0', '+0.0', *_FEW]
  assert 'mean of 2' in text
  assert "before  ranks 'yes' first, writes 'Yes.'" in text
  assert "after   ranks 'yes' first, writes 'red'" in text
  assert text.count('prompt') == 2


def test_it_fits_one_screen():
  lines = _screen(_parts(12)).splitlines()
  assert len(lines) <= 40 and max(map(len, lines)) <= 80
  assert '4 that changed less are left out' in lines
  assert sum(line.startswith('prompt') for line in lines) == 3


def test_free_text_alone_has_no_options_and_no_share_of_them():
  text = _screen(_parts(1, metrics=('squad_em',)))
  assert 'free answers' not in text
  assert 'before  Yes.' in text and 'after   red' in text
  assert 'too few rows' in text


def test_without_examples_the_scores_remain():
  text = _screen(_parts(1), examples=0)
  assert 'prompt' not in text and 'free answers' not in text
  assert 'part0' in text


def test_other_rows_than_the_recorded_ones_are_mentioned():
  parts = _parts(1)
  assert 'Not comparable' not in _screen(parts)
  parts[0].test.manifest['adapted'] = 'the training rows'
  assert 'Not comparable' in _screen(parts)


def test_a_long_prompt_keeps_whole_words_of_its_beginning_and_its_end():
  (one,) = _parts(1)
  one.test.prompt = lambda index, framing: [20, *[300] * 200, 40]
  lines = _screen([one]).splitlines()
  start = next(n for n, line in enumerate(lines) if line.startswith('prompt'))
  first, last = lines[start : start + 2]
  assert first.startswith('prompt  20 300 ') and first.endswith(' 300 …')
  assert last.startswith('        … 300 ') and last.endswith(' 300 40')
  assert len(last) <= 79


def test_the_picture_of_the_quickstart_closes_as_it_does():
  text = (ROOT / 'docs/images/quickstart.svg').read_text(encoding='utf-8')
  shown = ' '.join(html.unescape(re.sub('<[^>]*>', ' ', text)).split())
  remark = _screen(_parts(1)).partition('Numbers in ')[2].split()
  assert ' '.join(remark) in shown
