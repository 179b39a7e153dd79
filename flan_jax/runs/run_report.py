"""The report that a run may end with."""

import importlib.util
import os

from flan_jax.errors import ConfigError
from flan_jax.runtime import processes
from flan_jax.terminal.screen import show

_FOLDER = 'report'
_NEEDS = ('jinja2', 'matplotlib')


def check_report(wanted: bool) -> None:
  """Raises ConfigError if a report is wanted and cannot be made here."""
  absent = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
  if wanted and absent:
    raise ConfigError(
      f'REPORT = True needs {" and ".join(absent)}: pip install '
      f'{" ".join(absent)}, or run `flan-jax report` elsewhere'
    )


def report_run(model_dir: str | os.PathLike) -> None:
  """Writes the report of a run below its folder, and prints its path."""
  if not processes.is_first():
    return
  # Loads Matplotlib, which workers do not need.
  from flan_jax.report.document import make_document
  from flan_jax.report.report_files import write_report
  from flan_jax.report.sources import read_sources

  document = make_document(read_sources([model_dir]))
  path = write_report(os.path.join(model_dir, _FOLDER), document)
  show([f'report: {path}'])
