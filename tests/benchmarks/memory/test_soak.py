"""What is counted of a run that trains for hours."""

import os
import subprocess
import sys

from benchmarks.memory import soak


def test_the_state_counts_lines_and_the_files_of_checkpoints(tmp_path):
  (tmp_path / 'metrics.jsonl').write_text('{}\n{}\n')
  checkpoint = tmp_path / 'checkpoints/5'
  checkpoint.mkdir(parents=True)
  (checkpoint / 'params').write_bytes(bytes(2**20))
  with subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1) as process:
    state = soak._state(process, tmp_path)
    process.communicate(os.linesep.encode())
  assert state['lines_of_metrics'] == 2
  assert state['files_of_checkpoints'] == 1
  assert state['other_files'] == 1
  assert state['mib_of_checkpoints'] == 1.0
  assert state['threads'] >= 1
