"""Makes one of several processes fail: `--task_module=tests.e2e.faults`.

FLAN_JAX_FAULT names what fails, in the processes that have it:

  unreadable:STEP   the parameters of the checkpoint of a step
  full_disk         every file that grows beyond 32 kB
  killed:STEPS      the process, after so many steps, once what is being saved
                    is whole
"""

import itertools
import os
import resource
import signal

from flan_jax.training import checkpoint_items
from flan_jax.training.checkpoint import Checkpointer


def _unreadable(step: str) -> None:
  read = checkpoint_items._read_arrays

  def failing(checkpoint, *arguments):
    if checkpoint.name == step:
      raise OSError(f'{checkpoint}: Input/output error')
    return read(checkpoint, *arguments)

  checkpoint_items._read_arrays = failing


def _full_disk() -> None:
  # Without the signal, a write fails as on a full disk.
  signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
  resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 15, 1 << 15))


def _killed(step: str) -> None:
  check, steps = Checkpointer.check, itertools.count(1)

  def failing(self):  # The loop calls it after each step.
    check(self)
    if next(steps) == int(step):
      self.wait()
      os.kill(os.getpid(), signal.SIGKILL)

  Checkpointer.check = failing


_FAULTS = {
  'unreadable': _unreadable,
  'full_disk': _full_disk,
  'killed': _killed,
}

for _fault in filter(None, os.environ.get('FLAN_JAX_FAULT', '').split(',')):
  _name, *_arguments = _fault.split(':')
  _FAULTS[_name](*_arguments)
