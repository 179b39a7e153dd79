from flan_jax.report.sources import Study
from flan_jax.report.study_tables import few_shot_systems, study_tables
from tests.report import results_files as files

_LINE = {
  'dataset': 'rte',
  'headline': True,
  'base': 50.0,
  'tuned': None,
  'difference': 3.0,
  'paper': 84.1,
  'paper is': 'quoted',
}
_WINS = [
  {'baseline': 'our base model, zero-shot', 'won': 1, 'compared': 2},
  {'baseline': 'GPT-3 (recalled values included)', 'won': 2, 'compared': 2},
]


def _study(panel, design='main', split='recorded'):
  part = files.part('rte', [50.0]).as_json() | {'split': split}
  cell = {
    'evaluations': [{'label': 'zero-shot', 'parts': [part]}],
    'prompts': [],
  }
  json = files.study([cell], panel)
  json['design']['panel'] = design
  return Study('studies/main-smoke/study.json', json, {}, {})


def test_the_papers_values_are_left_to_the_tables_that_tell_protocols():
  (table,) = study_tables(_study({'datasets': [_LINE]}))
  assert table.name == 'study_main_smoke_datasets'
  assert [(c.key, c.kind) for c in table.columns] == [
    ('dataset', 'text'),
    ('headline', 'text'),
    ('base', 'number'),
    ('tuned', 'number'),
    ('difference', 'signed'),
  ]


def test_wins_over_recalled_values_are_not_shown():
  (table,) = study_tables(_study({'wins': _WINS}))
  assert [row['baseline'] for row in table.rows] == [_WINS[0]['baseline']]
  assert table.columns[1].kind == 'count'


def test_a_published_mean_of_other_rows_says_so():
  means = {'means': [{'clusters': '1', 'mean': 50.0, 'paper': 49.9}]}
  (same,) = study_tables(_study(means, 'clusters'))
  assert same.columns[-1].title == 'paper'
  (other,) = study_tables(_study(means, 'clusters', split='adapted'))
  assert other.columns[-1].title == 'paper (on other rows)'
  assert other.rows[0]['paper'] == 49.9


def test_results_with_exemplars_are_of_the_tuned_arm_and_first_seed():
  def cell(arm, seed, mean):
    part = files.part('rte', [mean], shots=16).as_json()
    null = files.part('cb', [0.0], mean=None).as_json()
    entry = {'label': 'few-shot', 'parts': [part, null]}
    return {'arm': arm, 'seed': seed, 'evaluations': [entry]}

  cells = [cell('base', 0, 1.0), cell('tuned', 0, 2.0), cell('tuned', 1, 3.0)]
  json = files.study(cells, {})
  (found,) = few_shot_systems([Study('x/study.json', json, {}, {})])
  assert found.label == 'tuned, main-smoke'
  assert {row: r.mean for row, r in found.parts.items()} == {
    'rte, 16 shots': 2.0
  }
  json['design']['panel'] = 'clusters'
  assert few_shot_systems([Study('x/study.json', json, {}, {})]) == []
