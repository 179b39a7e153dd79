"""All figures of a report, and the commands that would make absent ones."""

import shlex
from xml.etree import ElementTree

import gin
import pytest

from flan_jax import cli, command_flags, config, flags
from flan_jax.definitions import registry
from flan_jax.report.drawing import Absent, Figure, style
from flan_jax.report.figures import drawings, figures
from flan_jax.report.sources import Sources, Study, read_sources
from flan_jax.studies import panels
from tests.report.results_files import (
  changed,
  metrics,
  part,
  write_evaluation,
  write_lines,
  write_run,
)
from tests.report.study_results import control, every_member, study
from tests.studies.answers import records
from tests.studies.cells import cell

_HELD_OUT = ('nli', 'closed_book_qa', 'commonsense')


def _run(folder):
  """Writes a run whose base and tuned model answered the same rows."""
  before, after = part('rte', (50.0, 75.0)), part('rte', (60.0, 70.0))
  run = write_run(folder, [after], [before])
  lines = records('rte', [[0, 1, 1]], [0, 0, 1])
  lines = [{**line, 'format': 'instructions'} for line in lines]
  for name in ('eval', 'eval_base'):
    write_lines(run / name / 'flan_eval_nli/records.jsonl', lines)
  return run


@pytest.fixture(scope='module')
def sources(tmp_path_factory) -> Sources:
  return read_sources([_run(tmp_path_factory.mktemp('results') / 'model')])


# Panel -> arm and label that it finds; the others find any.
_ARMS = {
  'main': ('base', 'zero-shot'),
  'instructions': ('instructions', 'instructions'),
  'templates': ('2 datasets, 4 templates', 'all'),
}


def _studies():
  """Yields a study of each kind, with one cell or line."""
  for panel in panels.PANELS:
    arm, label = _ARMS.get(panel, ('1', '0'))
    parts = every_member(_HELD_OUT, 50.0)
    if panel == 'main':
      parts = [part('rte', (50.0,)).as_json()]
    found = cell(arm, {label: parts})
    found['evaluations'][0]['folder'] = 'evaluations/0/a'
    if panel == 'prompt_tuning':
      prompt = {'label': 'all examples', 'task': 'rte', 'parts': parts[:1]}
      found = {**cell(arm, {}), 'prompts': [prompt]}
    yield study(panel, _HELD_OUT, [found])
  controls = study('controls', ('nli',), [])
  yield {**controls, 'panel': {'endpoints': [control(1.0, True)]}}


@pytest.fixture(scope='module')
def of_studies() -> Sources:
  return Sources(
    studies=tuple(
      Study(f's/{json["study"]}-small/study.json', json, {}, {})
      for json in _studies()
    )
  )


def _drawn(sources):
  with style():
    return list(drawings(sources))


def test_a_run_has_its_curves_data_and_results_by_dataset(sources):
  found = _drawn(sources)
  drawn = [one.name for one in found if not isinstance(one, Absent)]
  assert drawn == [
    *('training', 'clusters_seen', 'lengths'),
    *('dataset_means', 'template_spread', 'rank_flips', 'confusion_nli'),
  ]
  for one in found:
    if not isinstance(one, Absent):
      assert one.alt.endswith('.') and one.caption and one.title
      assert one.canvas.axes


def test_the_same_results_give_the_same_bytes(sources):
  (run,) = sources.runs
  again = Sources(evaluations=run.base + run.evaluations)
  first, second = figures(again), figures(again)
  assert first == second
  assert any(isinstance(one, Figure) for one in first)


def test_every_kind_of_study_has_a_figure(of_studies):
  found = {one.name: one for one in _drawn(of_studies)}
  for panel in (*panels.PANELS, panels.CONTROLS):
    assert not isinstance(found[f'study_{panel}'], Absent), panel


def test_names_are_unique_and_can_be_files_and_ids(sources, of_studies):
  runs = sources.runs * 2
  studies = of_studies.studies + of_studies.studies[:2]
  names = [one.name for one in _drawn(Sources((), runs, studies))]
  assert len(names) == len(set(names))
  assert all(name.isidentifier() for name in names)


@pytest.fixture
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


def _parse(command: str) -> None:
  """Parses a command as `flan-jax` does, and its gin files and settings."""
  program, name, *argv = shlex.split(command)
  assert program == 'flan-jax'
  module = flags.MODULES.get(name, name)
  parser = flags.FlagParser(name, '')
  if name in cli._GIN:
    parser.add_gin_flags()
  else:
    parser = command_flags.parser(name)
  arguments, parsed = flags.parse_gin(parser, argv)
  if name == 'study':
    from flan_jax.runs.study import _with_files

    arguments = _with_files(arguments, parsed.name, parsed.size)
  config.parse(arguments, module)


def test_absent_figures_name_a_command_that_parses(_clean_gin):
  registry.load()
  found = _drawn(Sources())
  assert found and all(isinstance(one, Absent) for one in found)
  for command in dict.fromkeys(one.command for one in found):
    gin.clear_config()
    _parse(command)


def test_a_study_without_numbers_names_the_command_that_finishes_it(_clean_gin):
  json = study('main', ('nli',), [cell('base', {})])
  path = 'my studies/main-small/study.json'
  found = _drawn(Sources(studies=(Study(path, json, {}, {}),)))
  (absent,) = [one for one in found if one.name == 'study_main']
  assert "--size=small --study_dir='my studies'" in absent.command
  _parse(absent.command)


def test_of_many_models_some_are_shown_and_the_caption_says_so(tmp_path):
  paths = [
    write_evaluation(tmp_path / f'{n}/eval/a', [part('rte', (50.0 + n,))])
    for n in range(8)
  ]
  found = {one.name: one for one in _drawn(read_sources(paths))}
  assert 'Of 8 models, 6 are shown' in found['dataset_means'].caption


@pytest.mark.slow
def test_figures_of_every_dataset_are_small(tmp_path):
  registry.load()
  written = {'valid_options': 50.0, 'accuracy': 20.0}
  tuned, base = (
    [
      changed(
        part(name, [50.0 + shift + n for n in range(10)]),
        written=written if declared.choices else None,
      )
      for name, (_, declared) in registry.parts().items()
    ]
    for shift in (0.3, 0)
  )
  run = write_run(tmp_path / 'm', [tuned[0]], [base[0]])
  for name, parts, step in (('eval', tuned, 9), ('eval_base', base, 0)):
    folder = run / name / 'all'
    write_evaluation(
      folder, parts, about={'step': step}, mixture='all', records=[]
    )
  for name in ('eval', 'eval_base'):
    for path in sorted((run / name / 'flan_eval_nli').iterdir()):
      path.unlink()
    (run / name / 'flan_eval_nli').rmdir()
  write_lines(run / 'metrics.jsonl', metrics(5000))
  drawn = [f for f in figures(read_sources([run])) if isinstance(f, Figure)]
  assert len(drawn) >= 6
  for figure in drawn:
    assert len(figure.svg.encode()) < 150_000, figure.name
    ElementTree.fromstring(figure.svg)


def test_a_run_of_an_older_version_has_no_figures_of_its_data(tmp_path):
  run = _run(tmp_path / 'm')
  (run / 'data.json').unlink()
  found = {one.name: one for one in _drawn(read_sources([run]))}
  for name in ('clusters_seen', 'lengths'):
    assert isinstance(found[name], Absent)
  assert not isinstance(found['training'], Absent)
