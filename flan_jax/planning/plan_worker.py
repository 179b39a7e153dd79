"""The process that `flan-jax plan` compiles in: a request in, a plan out.

JAX reads the number of simulated devices once and libtpu takes memory that it
does not give back, so planning has a process of its own.
"""

import json
import os
import resource
import subprocess
import sys
from typing import Any

from flan_jax.errors import UserError
from flan_jax.planning.programs import Request
from flan_jax.planning.topology import Topology, devices_of, environment

_LAST_LINES = 12


class PlanError(UserError):
  """A request that cannot be planned, and why."""


def plan_in_process(request: Request) -> dict[str, Any]:
  """Plans in a process of its own.

  Returns:
    What `plan.plan` returns, with `proposals` where a program does not fit, and
    `host_bytes`, the most memory that the process held.

  Raises:
    PlanError: what was asked for cannot be, or the compiler failed.
  """
  simulated = 1
  if request.simulated:
    simulated = Topology.parse(request.topology).devices
  done = subprocess.run(
    [sys.executable, '-m', 'flan_jax.planning.plan_worker'],
    input=json.dumps(request.as_json()),
    env=environment(os.environ, simulated),
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    lines = done.stderr.strip().splitlines()[-_LAST_LINES:]
    raise PlanError('the compiler failed:\n' + '\n'.join(lines))
  answer = json.loads(done.stdout.splitlines()[-1])
  if 'error' in answer:
    raise PlanError(answer['error'])
  return answer


def main() -> None:
  """Reads a request from standard input and writes the plan, as JSON."""
  # Imported here, so that a process that only asks does without.
  from flan_jax.planning.planner import plan
  from flan_jax.planning.proposals import propose

  request = Request.from_json(json.load(sys.stdin))
  try:
    devices = devices_of(Topology.parse(request.topology), request.simulated)
    answer = plan(request, devices)
    answer['proposals'] = propose(request, answer, devices)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer['host_bytes'] = usage.ru_maxrss * 1024
  except ValueError as error:
    answer = {'error': str(error)}
  print(json.dumps(answer))


if __name__ == '__main__':
  main()
