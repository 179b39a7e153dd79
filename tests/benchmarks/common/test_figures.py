"""Spreads, and the folders that benchmarks work in."""

import json

from benchmarks.common import figures


def test_spread_of_several_of_one_and_of_nothing():
  assert figures.spread([4, 1, 2, 3, 8]) == {
    'median': 3,
    'q1': 2,
    'q3': 4,
    'min': 1,
    'max': 8,
  }
  assert set(figures.spread([0.123456]).values()) == {0.1235}
  assert figures.spread([]) is None


def test_the_last_line_is_written_with_date_and_command(
  tmp_path, monkeypatch, capsys
):
  monkeypatch.setattr('sys.argv', ['tool', '--rows=2', '--out=a b'])
  out = tmp_path / 'results' / 'one.json'
  figures.finish(str(out), ratio=2)
  assert json.loads(capsys.readouterr().out).items() >= {'ratio': 2}.items()
  written = json.loads(out.read_text())
  assert written['ratio'] == 2 and written['date'].endswith('+00:00')
  assert written.keys() >= figures.machine().keys()
  assert written['command'].endswith(" --rows=2 '--out=a b'")
  figures.finish(None, ratio=3)
  assert len(list(out.parent.iterdir())) == 1


def test_a_package_that_is_not_installed_has_no_version():
  versions = figures.versions(['numpy', 'no-such-package'])
  assert versions['numpy'] and versions['no-such-package'] is None


def test_a_named_folder_is_kept_and_another_is_not(tmp_path):
  with figures.work_folder(str(tmp_path / 'new'), 'x') as named:
    assert named.is_dir()
  with figures.work_folder(None, 'x') as temporary:
    assert temporary.is_dir()
  assert named.is_dir() and not temporary.exists()
