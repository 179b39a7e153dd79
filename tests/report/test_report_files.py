import json
import pathlib
import re

import pytest

from flan_jax.errors import UserError
from flan_jax.report import report_files
from flan_jax.report.report_files import write_report


@pytest.fixture(scope='module')
def report(document, tmp_path_factory) -> pathlib.Path:
  folder = tmp_path_factory.mktemp('report') / 'out'
  write_report(folder, document)
  return folder


def _files(folder):
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in sorted(folder.rglob('*'))
    if path.is_file()
  }


def test_the_same_results_give_the_same_bytes(report, document, tmp_path):
  write_report(tmp_path, document)
  assert _files(tmp_path) == _files(report)


def test_everything_is_written(report, document):
  found = _files(report)
  assert {f'tables/{table.name}.csv' for table in document.tables} <= set(found)
  for figure in document.figures:
    assert found[f'figures/{figure.name}.png'].startswith(b'\x89PNG')
    assert found[f'figures/{figure.name}.svg'].startswith(b'<svg')
  assert {'report.html', 'report.md', 'report.json'} <= set(found)


def test_the_page_needs_nothing_but_itself(report):
  page = (report / 'report.html').read_text()
  loads = re.findall(r'(?:src|href)="([^"]*)"|url\(([^)]*)\)', page)
  outside = [
    link
    for link in (a or b for a, b in loads)
    if not link.startswith(('#', 'tables/', 'figures/', 'data:,'))
  ]
  assert outside == [] and '@import' not in page
  # No link within the page leads nowhere.
  ids = set(re.findall(r'\bid="([^"]+)"', page))
  links = {link[1:] for pair in loads for link in pair if link[:1] == '#'}
  assert links <= ids


def test_texts_of_rows_are_no_markup(report):
  page = (report / 'report.html').read_text()
  assert 'How is &lt;this&gt;?' in page and '<this>' not in page


def test_markdown_has_the_tables_and_figures(report):
  text = (report / 'report.md').read_text()
  assert '| rte | nli | accuracy | 80 | 50.0 | 51.0 |' in text
  assert '](figures/dataset_means.png)' in text
  assert '- tuned: yes (yes 81.8 %, no 18.2 %); writes freely: yes.' in text
  assert "    MIXTURE_OR_TASK_NAME = 'flan_holdout_nli'" in text


def test_json_has_the_data_without_pictures(report):
  data = json.loads((report / 'report.json').read_text())
  row = data['results']['tables'][0]['rows'][0]
  assert (row['dataset'], row['tuned']) == ('rte', 65.0)
  assert data['examples'][0]['outcome'] == 'won'
  assert 'svg' not in data['results']['figures'][0]


def test_a_page_that_grows_too_large_leaves_pictures_out(document, monkeypatch):
  whole = report_files.page(document)
  monkeypatch.setattr(report_files, '_MOST_BYTES', len(whole.encode()) - 1)
  less = report_files.page(document)
  assert whole.count('<svg') - less.count('<svg') == 1
  for figure in document.figures:
    assert f'figures/{figure.name}.svg' in less


def test_a_folder_that_cannot_be_written_is_named(document, tmp_path):
  (tmp_path / 'file').write_text('')
  with pytest.raises(UserError, match=r'--out=.*file/out cannot be written'):
    write_report(tmp_path / 'file/out', document)
