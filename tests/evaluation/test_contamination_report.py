"""The files of a search: what CONTAMINATED takes, matches and counts."""

import json

from etils import epath
import numpy as np

from flan_jax.definitions import registry
from flan_jax.evaluation import contamination_report
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.contamination_report import SearchedPart
from flan_jax.overlap.corpus_search import Hit
from tests.evaluation.splits import part, ranked, ranked_split, result


def _parts():
  short = np.array([False, True, True])
  hits = {2: Hit('a b', 'x.txt', 7), 0: Hit('c d e', 'y.jsonl', 0)}
  return [
    SearchedPart('rte', 'nli', ['r0', 'r1', 'r2'], short, hits),
    SearchedPart('cb', 'nli', ['c0'], np.array([False]), {}),
  ]


def test_the_files_agree(tmp_path):
  registry.load()
  text = contamination_report.write(epath.Path(tmp_path), _parts(), {'n': 13})
  found = Contaminated.read(tmp_path / 'contaminated.json')
  assert found.of('rte') == {'r0', 'r2'} and found.of('cb') == set()
  lines = (tmp_path / 'matches.jsonl').read_text().splitlines()
  assert [json.loads(line) for line in lines] == [
    {
      'part': 'rte',
      'id': 'r0',
      'words': 'c d e',
      'file': 'y.jsonl',
      'offset': 0,
    },
    {'part': 'rte', 'id': 'r2', 'words': 'a b', 'file': 'x.txt', 'offset': 7},
  ]
  report = json.loads((tmp_path / 'contamination.json').read_text())
  assert report['n'] == 13 and report['scores'] == []
  assert report['parts'][0] == {
    'part': 'rte',
    'cluster': 'nli',
    'rows': 3,
    'contaminated_rows': 2,
    'short_rows': 2,
    'contaminated_short_rows': 1,
  }
  assert report['parts'][1]['contaminated_rows'] == 0
  assert text + '\n' == (tmp_path / 'table.txt').read_text()
  cells = ['rte', 'nli', '3', '2', '66.7', '%', '2', '1']
  assert text.splitlines()[2].split() == cells


def test_scores_on_clean_rows_are_shown_and_written(tmp_path):
  scored = result(
    part(ranked_split([0, 1, 1])), ranked(t0=[0, 0, 1]), contaminated={'row1'}
  )
  text = contamination_report.write(
    epath.Path(tmp_path), _parts(), {}, [scored]
  )
  assert 'clean mean' in text and '+33.3' in text
  (score,) = json.loads((tmp_path / 'contamination.json').read_text())['scores']
  assert (score['part'], score['metric'], score['rows']) == (
    'rte',
    'accuracy',
    3,
  )
  assert score['clean']['mean'] == 100 and score['clean']['rows'] == 2
