"""Which results may stand beside the paper's."""

from flan_jax.report.protocol import (
  AskedRows,
  comparable,
  is_recalled,
  printed_mean,
  rows_note,
  rows_of_study,
)
from tests.report.results_files import changed, part
from tests.studies import cells

_RTE = part('rte', (50.0,))
_COPY = changed(_RTE, adapted={'test': 'a copy'})


def _study(**more):
  entry = {**cells.part('rte', 50.0), **more}
  return {'cells': [cells.cell('base', {'zero-shot': [entry]})]}


def test_a_smaller_copy_of_a_split_is_not_comparable():
  assert comparable(_study(split='recorded'))
  assert not comparable(_study(split='adapted'))


def test_results_without_a_number_do_not_count():
  assert comparable(_study(split='adapted', mean=None))


def test_the_note_says_what_differs():
  assert rows_note([AskedRows.of(_RTE)]) == ''
  note = rows_note([AskedRows.of(_RTE), AskedRows.of(_COPY)])
  assert "paper's values are left out" in note and 'datasets: 1 of 1' in note
  limited = [AskedRows.of(changed(_RTE, max_rows=40))]
  assert (
    rows_note(limited) == ' Rows of a dataset that we evaluate: at most 40.'
  )


def test_rows_of_a_study_are_those_of_its_results():
  (rows,) = rows_of_study(_study(split='adapted', max_rows=7))
  assert rows == AskedRows('rte', recorded=False, most=7)


def test_means_have_the_provenance_of_the_papers_table():
  quoted = printed_mean(figure='Figure 6', system='FLAN, 7 clusters')
  recalled = printed_mean(figure='Table 3', cluster='nli')
  assert (quoted.value, is_recalled(quoted)) == (63.5, False)
  assert is_recalled(recalled) and is_recalled(None)
  assert printed_mean(figure='Figure 99') is None
