"""Peak memory of a process and its children."""

from collections.abc import Callable
import dataclasses
import multiprocessing
import time
from typing import Any

import psutil

_INTERVAL = 0.2  # Seconds between two samples.
_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Phase:
  """What one phase cost.

  Attributes:
    seconds: Time, including the start of the process and its imports.
    peak_mib: Peak resident memory of the process tree, in MiB. Pages that
      several processes share, and mapped files, count in each of them.
    peak_private_mib: The same without memory that files back.
    processes: Most processes at a time.
    result: What the function returned.
  """

  seconds: float
  peak_mib: float
  peak_private_mib: float
  processes: int
  result: dict[str, Any]


def run_phase(function: Callable[..., dict[str, Any]], *arguments) -> Phase:
  """Runs a function in a new process and watches the memory it takes.

  Raises:
    RuntimeError: the process failed; it has printed why.
  """
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
    raise RuntimeError(f'{function.__name__} failed in its process')
  resident, private, processes = peak
  return Phase(
    seconds=round(seconds, 2),
    peak_mib=round(resident / _MIB),
    peak_private_mib=round(private / _MIB),
    processes=processes,
    result=receiver.recv(),
  )


def private_mib() -> int:
  """Returns the memory of this process that no file backs, in MiB."""
  memory = psutil.Process().memory_info()
  return round((memory.rss - memory.shared) / _MIB)


def _call(sender, function, arguments) -> None:
  sender.send(function(*arguments))


def _memory(process: psutil.Process) -> tuple[int, int, int]:
  """Returns (resident bytes, private bytes, processes) of a tree."""
  resident = private = count = 0
  try:
    tree = [process, *process.children(recursive=True)]
  except psutil.NoSuchProcess:
    return 0, 0, 0
  for member in tree:
    try:
      memory = member.memory_info()
    except psutil.NoSuchProcess:
      continue
    resident += memory.rss
    private += memory.rss - memory.shared
    count += 1
  return resident, private, count
