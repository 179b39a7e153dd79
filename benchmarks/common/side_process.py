"""One side of a comparison, in a process of its own that waits for requests.

Its argument is the task, in JSON. A line of standard input names a method and
its arguments, such as {"do": "run", "case": "piqa"}, and gets one line as an
answer, {"error": TEXT} if it fails. Needs only the standard library, so that a
side can run in an interpreter of its own.
"""

from collections.abc import Callable, Iterator, Mapping
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from typing import Any

_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
# How much of the output of a failed process an error quotes, in characters.
_QUOTED = 2000


class SideError(RuntimeError):
  """A side failed, for example because it ran out of memory."""


class SideProcess:
  """The caller's end."""

  def __init__(
    self,
    module: str,
    task: Mapping[str, Any],
    interpreter: str = sys.executable,
  ):
    """Starts a module that calls `serve`; the task must be valid JSON."""
    self._module = module
    self._log = tempfile.TemporaryFile('w+')
    paths = (str(_CHECKOUT), os.environ.get('PYTHONPATH'))
    self._process = subprocess.Popen(
      [interpreter, '-m', module, json.dumps(task)],
      cwd=_CHECKOUT,
      env={**os.environ, 'PYTHONPATH': os.pathsep.join(filter(None, paths))},
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._log,
      text=True,
    )

  def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
    """Calls the method `do` of the side.

    Returns:
      What the method returned, plus the `seconds` it took, the `cpu_seconds`
      that all threads of the process spent, and `peak_mib`, the peak resident
      memory of the process so far.

    Raises:
      SideError: The method or the process failed.
    """
    try:
      request = json.dumps({'do': do, **arguments})
      print(request, file=self._process.stdin, flush=True)
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ''
    answer = json.loads(line) if line else {'error': self._last_output()}
    if 'error' in answer:
      raise SideError(f'{self._module}: {answer["error"]}')
    return answer

  def close(self) -> None:
    """Ends the process and waits for it."""
    with contextlib.suppress(BrokenPipeError):  # It may have ended before.
      self._process.stdin.close()
    with self._log, self._process:
      try:
        self._process.wait(timeout=60)
      except subprocess.TimeoutExpired:
        self._process.kill()

  def _last_output(self) -> str:
    self._process.wait()
    self._log.seek(0)
    output = self._log.read().strip()[-_QUOTED:]
    if 'Traceback' in output:
      output = output.rpartition('\n')[2]  # Only the exception.
    return f'its process ended ({self._process.returncode}): {output}'


@contextlib.contextmanager
def started(
  modules: Mapping[str, str],
  task: Mapping[str, Any],
  interpreters: Mapping[str, str] | None = None,
) -> Iterator[dict[str, SideProcess]]:
  """Starts a process for each side, by its module, and ends them all.

  Each gets the task and its name as `side`.
  """
  with contextlib.ExitStack() as stack:
    processes = {}
    for side, module in modules.items():
      interpreter = (interpreters or {}).get(side) or sys.executable
      process = SideProcess(module, {**task, 'side': side}, interpreter)
      processes[side] = stack.enter_context(contextlib.closing(process))
    yield processes


def serve(make_side: Callable[[dict[str, Any]], Any]) -> None:
  """The side's end: answers requests until standard input ends.

  `make_side` returns, for a task, the object that has the methods. It is called
  when the first request comes, so that its errors are answers too.
  """
  task = json.loads(sys.argv[1])
  # What libraries print must not mix with the answers.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  side = None
  for line in sys.stdin:
    try:
      side = make_side(task) if side is None else side
      answer = call(side, **json.loads(line))
    # Report whatever a side raises, including running out of memory.
    except Exception as error:
      traceback.print_exc()
      answer = {'error': f'{type(error).__name__}: {error}'[:500]}
    print(json.dumps(answer), file=answers, flush=True)


def call(side: Any, do: str, **arguments: Any) -> dict[str, Any]:
  """Calls a method in this process; see `SideProcess.ask`."""
  begin, cpu = time.perf_counter(), time.process_time()
  answer = getattr(side, do)(**arguments) or {}
  return {
    'seconds': time.perf_counter() - begin,
    'cpu_seconds': time.process_time() - cpu,
    'peak_mib': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    **answer,
  }
