"""Plans in a process of its own: reads a request, writes a plan.

JAX reads the number of simulated devices once, and libtpu never returns the
memory it takes.
"""

import json
import os
import resource
import subprocess
import sys
from typing import Any

from flan_jax.errors import ConfigError, UserError
from flan_jax.planning.planner import plan
from flan_jax.planning.proposals import propose
from flan_jax.planning.request import Request
from flan_jax.planning.topology import Topology, devices_of, environment
from flan_jax.runtime import child


def plan_in_process(request: Request) -> dict[str, Any]:
  """Plans in a process of its own.

  Returns:
    The result of `planner.plan`, with `proposals`, which is empty if every
    program fits, and `host_bytes`, the peak memory of the process.

  Raises:
    ConfigError: The request has a mistake.
    RuntimeError: The process failed; has its traceback.
  """
  devices = Topology.parse(request.topology).devices
  done = subprocess.run(
    child.python('flan_jax.planning.plan_worker'),
    input=json.dumps(request.as_json()),
    env=environment(
      child.environment(os.environ), devices if request.simulated else 1
    ),
    capture_output=True,
    text=True,
    check=False,
  )
  if done.returncode:
    raise RuntimeError(f'planning failed:\n{done.stderr}')
  answer = json.loads(done.stdout.splitlines()[-1])
  if 'error' in answer:
    raise ConfigError(answer['error'])
  return answer


def main() -> None:
  """Reads a request from standard input and writes the plan, as JSON."""
  request = Request.from_json(json.load(sys.stdin))
  try:
    devices = devices_of(Topology.parse(request.topology), request.simulated)
    answer = plan(request, devices)
    answer['proposals'] = propose(request, answer, devices)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    answer['host_bytes'] = usage.ru_maxrss * 1024
  except UserError as error:
    answer = {'error': str(error)}
  print(json.dumps(answer))


if __name__ == '__main__':
  main()
