"""How many threads PyTorch is fastest with."""

from collections.abc import Callable
import os
import time
from typing import Any

import torch


def choose_threads(trial: Callable[[], None]) -> dict[str, Any]:
  """Sets one thread or one per core, whichever runs a trial faster now.

  If other work occupies a core, threads that wait for each other are far slower
  than a single one.
  """
  seconds = {}
  for threads in sorted({1, len(os.sched_getaffinity(0))}):
    torch.set_num_threads(threads)
    trial()
    begin = time.perf_counter()
    trial()
    seconds[threads] = round(time.perf_counter() - begin, 3)
  threads = min(seconds, key=seconds.get)
  torch.set_num_threads(threads)
  return {'threads': threads, 'trial_seconds_by_threads': seconds}
