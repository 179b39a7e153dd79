"""The process of one side of `train_step`: it steps when it is told to.

Lines of JSON over pipes. The first argument of the process is the task. On
standard input come names of methods and their arguments, as {"do": "step",
"steps": 3}; each is answered by one line, an error by {"error": TEXT}. The
process ends with its input. Needs neither JAX nor PyTorch: each side brings its
own.
"""

from collections.abc import Callable, Mapping
import json
import os
import resource
import sys
import time
import traceback
from typing import Any, Protocol

from benchmarks import train_shapes


class Side(Protocol):
  """One trainer, with a model of its own."""

  def prepare(self, case: str) -> Mapping[str, Any]:
    """Compiles the step of a case and takes it once.

    Returns:
      Its `first_loss`, and what else is worth reporting: versions, device,
      number of parameters, settings.
    """

  def step(self, steps: int) -> None:
    """Takes so many steps of the prepared case, and waits for the last."""


def serve(make_side: Callable[[train_shapes.Shape, str], Any]) -> None:
  """Answers until standard input ends.

  Args:
    make_side: Of the shape and the side's name, returns a `Side`.
  """
  task = json.loads(sys.argv[1])
  # What libraries print must not come between the answers.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  side = None
  for line in sys.stdin:
    try:
      if side is None:
        side = make_side(train_shapes.Shape(**task['shape']), task['side'])
      answer = _answer(side, json.loads(line))
    # Whatever a trainer raises, running out of memory included, is told.
    except Exception as error:
      traceback.print_exc()
      answer = {'error': f'{type(error).__name__}: {error}'[:500]}
    print(json.dumps(answer), file=answers, flush=True)


def _answer(side: Any, request: dict[str, Any]) -> dict[str, Any]:
  """Calls the method, and returns what it returned and what it cost."""
  method = getattr(side, request.pop('do'))
  begin, cpu = time.perf_counter(), time.process_time()
  answer = method(**request) or {}
  return {
    **answer,
    'seconds': time.perf_counter() - begin,
    'cpu_seconds': time.process_time() - cpu,
    'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
  }
