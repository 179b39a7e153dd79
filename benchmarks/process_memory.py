"""Peak memory of a process and all that it starts."""

from collections.abc import Callable
import dataclasses
import multiprocessing
import time
from typing import Any

import psutil

_INTERVAL = 0.2  # Seconds between two looks.
_MIB = 2**20


@dataclasses.dataclass(frozen=True)
class Phase:
  """What one phase cost.

  Attributes:
    seconds: With the start of the process and its imports.
    peak_mib: Resident memory of the process tree, in MiB; pages that several
      processes share count in each of them, and so do mapped files.
    peak_private_mib: The part of it that is not backed by files.
    processes: The most at one time.
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
    RuntimeError: the process failed; it has said why.
  """
  context = multiprocessing.get_context('spawn')
  receiver, sender = context.Pipe(duplex=False)
  begin = time.perf_counter()
  child = context.Process(target=_call, args=(sender, function, arguments))
  child.start()
  sender.close()
  watched = psutil.Process(child.pid)
  peak = peak_private = processes = 0
  while child.is_alive():
    resident, private, count = _memory(watched)
    peak = max(peak, resident)
    peak_private = max(peak_private, private)
    processes = max(processes, count)
    child.join(_INTERVAL)
  seconds = time.perf_counter() - begin
  if child.exitcode or not receiver.poll():
    raise RuntimeError(f'{function.__name__} failed in its process')
  return Phase(
    seconds=round(seconds, 2),
    peak_mib=round(peak / _MIB),
    peak_private_mib=round(peak_private / _MIB),
    processes=processes,
    result=receiver.recv(),
  )


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
