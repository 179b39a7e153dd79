"""A side answers, reports what went wrong, and ends."""

import pytest

from benchmarks.common.side_process import SideError, started


@pytest.fixture
def side(tmp_path, monkeypatch):
  (tmp_path / 'echoing_side.py').write_text(
    'import os\n'
    'from benchmarks.common.side_process import serve\n'
    'class Side:\n'
    '  def __init__(self, task): self.task = task\n'
    '  def echo(self, text): print("noise"); return {"said": text}\n'
    '  def fail(self): raise ValueError(self.task["why"])\n'
    '  def die(self): os._exit(3)\n'
    'serve(Side)\n'
  )
  monkeypatch.setenv('PYTHONPATH', str(tmp_path))
  with started({'me': 'echoing_side'}, {'why': 'no such dataset'}) as sides:
    yield sides['me']


def test_a_side_answers_after_an_error_until_it_dies(side):
  with pytest.raises(SideError, match='no such dataset'):
    side.ask('fail')
  answer = side.ask('echo', text='ö')
  assert answer['said'] == 'ö'
  assert answer['seconds'] >= 0
  with pytest.raises(SideError, match=r'ended \(3\)'):
    side.ask('die')


def test_a_side_that_cannot_be_imported_fails_in_one_line():
  with (
    started({'me': 'no_such_module'}, {}) as sides,
    pytest.raises(SideError, match='No module named') as caught,
  ):
    sides['me'].ask('run')
  assert '\n' not in str(caught.value)
