"""Whether a process of this machine is alive."""

import os
import pathlib
from typing import Any


def started(pid: Any) -> str | None:
  """Returns when a process started; None if it is dead or never was.

  The number of a dead process may be given to another one, which started at
  another time. The text is empty on systems that do not tell the time.

  Args:
    pid: The number of the process; anything else is that of none.
  """
  try:
    os.kill(pid, 0)
  except PermissionError:
    pass  # It is another user's.
  except (OSError, OverflowError, TypeError):
    return None
  try:
    stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
  except OSError:
    return ''
  # The name, in brackets, may contain anything.
  state, *fields = stat.rpartition(')')[2].split()
  # A zombie is dead, although nobody has waited for it yet.
  return None if state in ('Z', 'X') else fields[18]
