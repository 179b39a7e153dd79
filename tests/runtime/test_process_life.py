"""A dead process is told from one that lives."""

import os
import subprocess
import sys

import pytest

from flan_jax.runtime.process_life import started


def test_a_process_has_one_start_until_it_is_dead():
  command = [sys.executable, '-c', 'input()']
  with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
    first = started(process.pid)
    assert first is not None
    assert started(process.pid) == first
    process.kill()
    # Nobody has waited for it yet.
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert started(process.pid) is None
  assert started(process.pid) is None


@pytest.mark.parametrize('pid', [None, 'text', 10**30, 99999999])
def test_what_names_no_process_is_dead(pid):
  assert started(pid) is None
