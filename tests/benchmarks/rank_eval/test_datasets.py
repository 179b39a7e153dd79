"""Any dataset with options can be scored."""

import argparse

import pytest

from benchmarks.rank_eval import datasets


def test_datasets_and_subsets_with_options_are_taken():
  assert datasets.parse('anli,rte,arc_easy') == ['anli', 'rte', 'arc_easy']
  assert datasets.ranked_parts('anli') == ('anli_r1', 'anli_r2', 'anli_r3')
  assert datasets.ranked_parts('mnli') == ('mnli_matched', 'mnli_mismatched')
  assert datasets.ranked_parts('arc_easy') == ('arc_easy',)


@pytest.mark.parametrize(
  ('text', 'why'),
  [('rte,xsum', 'xsum has no options'), ('rtee', "unknown task 'rtee'")],
)
def test_others_are_refused(text, why):
  with pytest.raises(argparse.ArgumentTypeError, match=why):
    datasets.parse(text)
