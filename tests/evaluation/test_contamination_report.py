"""The files of a search: what CONTAMINATED takes, matches and counts."""

import json

from etils import epath
import numpy as np

from flan_jax.definitions import registry
from flan_jax.evaluation import contamination_report
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.overlap.corpus_search import Hit
from flan_jax.terminal.blocks import plain
from tests.evaluation.splits import part, ranked, ranked_split, result

registry.load()


def _parts():
  names = ('rte', 'qnli', 'cb')
  parts = [registry.find_part(name)[1] for name in names]
  ids = {'rte': ['r0', 'r1', 'r2'], 'qnli': ['q0'], 'cb': ['c0']}
  short = np.array([False, True, True, True, False])
  hits = {2: Hit('a b', 'x.txt', 7), 0: Hit('c d e', 'y.jsonl', 0)}
  hits[3] = Hit('f', 'z.txt', 9)
  return contamination_report.by_part(parts, ids, short, hits)


def test_the_files_agree(tmp_path):
  tables = contamination_report.write(epath.Path(tmp_path), _parts(), {'n': 13})
  found = Contaminated.read(tmp_path / 'contaminated.json')
  assert found.of('rte') == {'r0', 'r2'} and found.of('cb') == set()
  assert found.of('qnli') == {'q0'}
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
    {'part': 'qnli', 'id': 'q0', 'words': 'f', 'file': 'z.txt', 'offset': 9},
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
  assert [p['contaminated_rows'] for p in report['parts']] == [2, 1, 0]
  assert plain(tables) + '\n' == (tmp_path / 'table.txt').read_text()
  cells = ['rte', 'nli', '3', '2', '66.7', '%', '2', '1']
  assert plain(tables).splitlines()[2].split() == cells


def test_scores_on_clean_rows_are_shown_and_written(tmp_path):
  scored = result(
    part(ranked_split([0, 1, 1])), ranked(t0=[0, 0, 1]), contaminated={'row1'}
  )
  tables = contamination_report.write(
    epath.Path(tmp_path), _parts(), {}, [scored]
  )
  text = plain(tables)
  assert 'clean mean' in text and '+33.3' in text
  (score,) = json.loads((tmp_path / 'contamination.json').read_text())['scores']
  assert (score['part'], score['metric'], score['rows']) == (
    'rte',
    'accuracy',
    3,
  )
  assert score['clean']['mean'] == 100 and score['clean']['rows'] == 2
