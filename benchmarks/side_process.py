"""A side of a comparison in a process of its own, which does as it is told.

Lines of JSON over pipes. The first argument of the process is the task. On
standard input come names of methods and their arguments, as {"do": "score",
"dataset": "piqa"}; each is answered by one line, an error by {"error": TEXT}.
The process ends with its input. Needs nothing but Python, so that a side may
run in an interpreter of its own.
"""

from collections.abc import Callable, Mapping
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

_CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
# Of what a failed process has said, in characters.
_LAST_WORDS = 2000


class SideError(RuntimeError):
  """A side could not do what it was told, memory among the reasons."""


class SideProcess:
  """The caller's end."""

  def __init__(
    self,
    module: str,
    task: Mapping[str, Any],
    interpreter: str = sys.executable,
  ):
    """Starts the process.

    Args:
      module: Calls `serve`.
      task: Given to what `serve` was given; anything that JSON holds.
      interpreter: Runs it.
    """
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
    """Calls a method of the side.

    Args:
      do: Its name.
      **arguments: Of the method.

    Returns:
      What it returned, with the `seconds` that passed, the `cpu_seconds` of all
      threads of the process, and `peak_mib`, its resident memory at its highest
      until now.

    Raises:
      SideError: the method or the process failed.
    """
    try:
      request = json.dumps({'do': do, **arguments})
      print(request, file=self._process.stdin, flush=True)
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ''
    answer = json.loads(line) if line else {'error': self._last_words()}
    if 'error' in answer:
      raise SideError(f'{self._module}: {answer["error"]}')
    return answer

  def close(self) -> None:
    """Ends the process and waits for it."""
    try:
      self._process.stdin.close()
    except BrokenPipeError:
      pass  # It has ended before.
    try:
      self._process.wait(timeout=60)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.wait()
    self._process.stdout.close()
    self._log.close()

  def _last_words(self) -> str:
    self._process.wait()
    self._log.seek(0)
    said = self._log.read().strip()[-_LAST_WORDS:]
    return f'its process ended ({self._process.returncode}): {said}'


def serve(make_side: Callable[[dict[str, Any]], Any]) -> None:
  """The side's end: answers until standard input ends.

  Args:
    make_side: Of the task, returns what has the methods; called with the first
      request.
  """
  task = json.loads(sys.argv[1])
  # What libraries print must not come between the answers.
  answers = os.fdopen(os.dup(1), 'w')
  os.dup2(2, 1)
  side = None
  for line in sys.stdin:
    try:
      side = make_side(task) if side is None else side
      answer = _answer(side, json.loads(line))
    # Whatever a side raises, running out of memory included, is told.
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
