"""The configuration of a run is recorded, and changes to it are shown."""

import gin
import pytest

from flan_jax.runs import config_record


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


@gin.configurable('record_probe', module='flan_jax')
def _probe(value=1, other=2):
  return value, other


def test_the_record_is_the_operative_configuration(tmp_path):
  gin.parse_config('record_probe.value = 7')
  _probe()
  config_record.write(tmp_path / 'run')
  text = (tmp_path / 'run/config.gin').read_text()
  assert 'record_probe.value = 7' in text
  assert 'record_probe.other = 2' in text


def test_a_resumed_run_shows_what_changed(tmp_path, capsys):
  gin.parse_config('record_probe.value = 7')
  _probe()
  config_record.write(tmp_path)
  gin.clear_config()
  names = [f'a rather long name {n}' for n in range(20)]
  gin.parse_config(f'record_probe.value = {names}')
  _probe()
  config_record.write(tmp_path, resumed=True)
  (line,) = capsys.readouterr().out.splitlines()
  assert line.startswith("changed: record_probe.value = 7 -> ['a rather long")
  # A value over several lines equals itself.
  config_record.write(tmp_path, resumed=True)
  assert not capsys.readouterr().out
