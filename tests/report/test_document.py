from flan_jax.report.document import make_document
from flan_jax.report.sources import read_sources
from tests.report import results_files as files


def test_a_run_fills_every_section_but_studies(document):
  assert [table.name for table in document.tables] == [
    'clusters',
    'datasets',
    'templates',
    'paper_zero_shot',
    'paper_wins',
    'versions',
    'digests',
  ]
  assert document.summary.tables[0].rows[0]['difference'] == 14.0
  assert {c.outcome for c in document.examples} == {'won', 'lost', 'unchanged'}
  assert document.loss_examples[0][0] == 'sst2'
  assert [p.weight for p in document.loss_examples[0][1]] == [0.0, 1.0]


def test_figures_are_where_they_belong(document):
  names = {
    section.name: {figure.name for figure in section.figures}
    for section in document.sections
  }
  assert {'training', 'clusters_seen', 'lengths'} <= names['training']
  assert 'dataset_means' in names['results']
  assert not names['studies']


def test_what_is_absent_has_a_command(document, tmp_path):
  assert 'study_main' in {one.name for one in document.absent}
  assert 'examples' not in {one.name for one in document.absent}
  rte = files.part('rte', [50.0])
  folder = files.write_evaluation(tmp_path / 'x', [rte], about={'step': 3})
  alone = make_document(read_sources([folder]))
  absent = {one.name: one.command for one in alone.absent}
  assert absent['examples'].startswith('flan-jax eval ')
  assert absent['examples'].endswith('--gin.EVAL_EXAMPLES=8')
  assert 'CHECKPOINT_PATH=BASE' in absent['base']
  assert absent['loss_example'].startswith('flan-jax train ')
