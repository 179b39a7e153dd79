"""A report that cannot be made is refused before training."""

import importlib.util

import pytest

from flan_jax.errors import ConfigError
from flan_jax.runs.run_report import check_report


def test_a_report_without_its_packages_is_refused(monkeypatch):
  check_report(wanted=True)
  find = importlib.util.find_spec
  monkeypatch.setattr(
    importlib.util,
    'find_spec',
    lambda name: None if name == 'matplotlib' else find(name),
  )
  with pytest.raises(ConfigError, match='REPORT = True needs matplotlib: pip'):
    check_report(wanted=True)
  check_report(wanted=False)
