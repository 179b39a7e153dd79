"""Peak memory of a process and its children."""

from collections.abc import Callable
import contextlib
import dataclasses
import multiprocessing
import time
from typing import Any

import psutil

_INTERVAL = 0.2  # Seconds between two samples.
_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Phase:
  """What one phase cost."""

  seconds: float  # Including the start of the process and its imports.
  # Resident memory of the process tree. Pages that several processes share, and
  # mapped files, count in each of them.
  peak_mib: float
  peak_private_mib: float  # The same without memory that files back.
  processes: int  # The most at a time.
  result: dict[str, Any]  # What the function returned.


def run_phase(function: Callable[..., dict[str, Any]], *arguments) -> Phase:
  """Runs a function in a new process and watches the memory it takes."""
  context = multiprocessing.get_context('spawn')
  receiver, sender = context.Pipe(duplex=False)
  begin = time.perf_counter()
  child = context.Process(target=_call, args=(sender, function, arguments))
  child.start()
  sender.close()
  watched = psutil.Process(child.pid)
  peak = (0, 0, 0)
  while child.is_alive():
    peak = tuple(map(max, peak, _memory(watched)))
    child.join(_INTERVAL)
  seconds = time.perf_counter() - begin
  if child.exitcode or not receiver.poll():
    raise RuntimeError(f'{function.__name__} failed in its process, see above')
  resident, private = (round(size / _MIB) for size in peak[:2])
  result = receiver.recv()
  return Phase(round(seconds, 2), resident, private, peak[2], result)


def private_mib() -> int:
  """Returns the memory of this process that no file backs, in MiB."""
  memory = psutil.Process().memory_info()
  return round((memory.rss - memory.shared) / _MIB)


def _call(sender, function, arguments) -> None:
  sender.send(function(*arguments))


def _memory(process: psutil.Process) -> tuple[int, int, int]:
  """Returns (resident bytes, private bytes, processes) of a tree."""
  found = []
  with contextlib.suppress(psutil.NoSuchProcess):
    for member in (process, *process.children(recursive=True)):
      with contextlib.suppress(psutil.NoSuchProcess):
        found.append(member.memory_info())
  private = sum(memory.rss - memory.shared for memory in found)
  return sum(memory.rss for memory in found), private, len(found)
