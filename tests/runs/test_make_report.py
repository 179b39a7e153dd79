"""`flan-jax report`."""

import json

import pytest

from tests.report import results_files as files


@pytest.fixture
def run(cli):
  rte = files.part('rte', [60.0, 70.0])
  return files.write_run(cli.folder / 'model', [rte], [rte])


def test_a_report_names_its_page(cli, run):
  out = cli.check('report', 'model', '--out=report')
  assert out == 'report: report/report.html\n'
  assert (cli.folder / 'report/report.html').exists()


def test_json_is_printed_and_needs_no_folder(cli, run):
  out = cli.check('report', 'model/eval', 'model/eval_base', '--format=json')
  data = json.loads(out)
  assert (
    data['results']['tables'][0]['title'] == 'By dataset: tuned against base'
  )
  assert not (cli.folder / 'report').exists()


def test_mistakes_are_one_line(cli, run):
  for arguments, message in (
    (['model'], '--out is missing'),
    (['nothing', '--out=report'], 'nothing is no folder'),
  ):
    code, _, error = cli('report', *arguments)
    assert code == 2 and error.startswith('flan-jax report: error: ')
    assert message in error and error.count('\n') == 1
  assert not (cli.folder / 'report').exists()
