"""A report on a small training run, which several modules test."""

import pytest

from flan_jax.report.document import Document, make_document
from flan_jax.report.sources import read_sources
from tests.report import results_files as files


@pytest.fixture(scope='session')
def document(tmp_path_factory) -> Document:
  """The document; drawing its figures takes longest."""
  run = files.write_run(
    tmp_path_factory.mktemp('results') / 'model',
    [files.part('rte', [60.0, 70.0])],
    [files.part('rte', [50.0, 52.0])],
  )
  return make_document(read_sources([run]))
