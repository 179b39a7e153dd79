"""A child process runs one command on the CPU and ends with its parent."""

import os
import signal
import subprocess

import pytest

from flan_jax.runtime import child


class _Process:
  """A child process that only records how it was started."""

  pid = 123

  def __init__(self, ends):
    self._ends = iter(ends)

  def __call__(self, arguments, env, start_new_session):
    self.arguments, self.env = arguments, env
    assert start_new_session
    return self

  def wait(self):
    end = next(self._ends)
    if isinstance(end, BaseException):
      raise end
    return end


@pytest.mark.parametrize('code, succeeded', [(0, True), (2, False)])
def test_child_runs_the_command_on_the_cpu(monkeypatch, code, succeeded):
  process = _Process([code])
  monkeypatch.setattr(child.subprocess, 'Popen', process)
  monkeypatch.setenv('PYTHONPATH', 'mine')
  monkeypatch.setenv('JAX_PLATFORMS', 'tpu')
  assert child.succeeds('cache', ['--gin_file=a.gin']) is succeeded
  command = child.python('flan_jax', 'cache', '--gin_file=a.gin')
  assert process.arguments == command
  assert process.env['JAX_PLATFORMS'] == 'cpu'
  assert process.env['PYTHONPATH'].startswith('mine')


def test_modules_of_the_working_directory_do_not_hide_others(tmp_path):
  (tmp_path / 'difflib.py').write_text('raise SystemExit(9)')
  command = child.python('flan_jax.errors')
  environment = child.environment(os.environ)
  done = subprocess.run(command, cwd=tmp_path, env=environment, check=False)
  assert done.returncode == 0


def test_interrupt_ends_the_child(monkeypatch):
  process, killed = _Process([KeyboardInterrupt(), -signal.SIGTERM]), []
  monkeypatch.setattr(child.subprocess, 'Popen', process)
  monkeypatch.setattr(child.os, 'killpg', lambda *about: killed.append(about))
  with pytest.raises(KeyboardInterrupt):
    child.succeeds('cache', [])
  assert killed == [(process.pid, signal.SIGTERM)]
