"""Plans a run: compiles its programs for devices that need not be present.

The programs are those that `train` and `eval` run, compiled from shapes alone.
No array is made, so one host plans for hundreds of chips.
"""

from collections.abc import Sequence
import time
from typing import Any

import jax
from jax.sharding import Mesh

from flan_jax.model import abstract_params, resolve_attention
from flan_jax.planning.collectives import by_kind, collectives
from flan_jax.planning.estimate import StepWork, estimate_run, estimate_step
from flan_jax.planning.hlo import Program
from flan_jax.planning.memory import memory, memory_used
from flan_jax.planning.programs import lower, step_flops
from flan_jax.planning.request import Request
from flan_jax.planning.topology import Topology
from flan_jax.planning.traffic import traffic
from flan_jax.sharding import check_batch, make_mesh


def check(request: Request, devices: Sequence[Any]) -> Mesh:
  """Makes the mesh, and finds mistakes before anything is compiled.

  Raises:
    ConfigError: The mesh does not fit the devices, the model or the batch.
  """
  mesh = make_mesh(request.mesh, devices)
  check_batch(request.batch_rows, mesh, request.microbatches)
  resolve_attention(request.model, mesh, length=request.pack_length)
  abstract_params(request.model, mesh)
  return mesh


def plan(request: Request, devices: Sequence[Any]) -> dict[str, Any]:
  """Compiles each program of a request.

  Args:
    request: What to plan.
    devices: From `topology.devices_of`.

  Returns:
    What is planned for (`topology`, `chip`, `chips`, `devices`, `simulated`),
    `parameters`, `mesh`, `remat`, `compute_dtype`, `attention`, `batch`, the
    programs of the request, `notes`, and `run` (see `estimate.estimate_run`;
    None without an estimate of a training step).

  Raises:
    ConfigError: See `check`; nothing was compiled.
  """
  mesh = check(request, devices)
  topology = Topology.parse(request.topology)
  config = resolve_attention(
    request.model, mesh, gradients=True, length=request.pack_length
  )
  programs = {
    name: plan_program(request, name, mesh) for name in request.programs
  }
  step = programs.get('train', {}).get('step')
  return {
    'topology': topology.name,
    'chip': topology.chip and topology.chip.name,
    'chips': topology.chips,
    'devices': len(devices),
    'simulated': request.simulated,
    'parameters': config.param_count(),
    'mesh': dict(mesh.shape),
    'remat': config.remat,
    'compute_dtype': config.compute_dtype,
    'attention': config.attention,
    'batch': {
      'rows': request.batch_rows,
      'length': request.pack_length,
      'target_budget': request.targets,
      'microbatches': request.microbatches,
    },
    **programs,
    'run': step and estimate_run(step, topology, request.train_steps),
    'notes': request.notes(),
  }


def plan_program(request: Request, name: str, mesh: Mesh) -> dict[str, Any]:
  """Compiles one program.

  Returns:
    `rows` and `length` of the batch or slots, `memory_bytes` of a device,
    `needed_bytes`, by kind in `memory`, and `fits`, None if the memory is
    unknown. Unless the compiler ran out of memory, also `flops`,
    `traffic_bytes`, `collectives`, `uncounted_loops` (loops of unknown length,
    counted once), and `step`, see `estimate.estimate_step`.
  """
  chip = Topology.parse(request.topology).chip
  available = None if chip is None else chip.memory_bytes // chip.devices
  lowered = lower(request, name, mesh)
  result = {'rows': lowered.rows, 'length': lowered.length}
  result['memory_bytes'] = available
  start = time.monotonic()
  try:
    compiled = lowered.lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    used = memory_used(str(error), sum(lowered.given.values()))
    if used is None:
      raise
    kinds = {**lowered.given, **lowered.beside}
    used += sum(lowered.beside.values())
    result |= {'fits': False, 'needed_bytes': used, 'memory': kinds}
  else:
    result |= _compiled(request, name, lowered, compiled, mesh)
    if available is not None:
      result['fits'] = result['needed_bytes'] <= available
  return {**result, 'compile_seconds': time.monotonic() - start}


def _compiled(request, name, lowered, compiled, mesh):
  """Returns what the text of a compiled program tells."""
  devices = list(mesh.devices.flat)
  topology = Topology.parse(request.topology)
  program = Program(compiled.as_text())
  kinds = memory(request, name, lowered, compiled, program)
  flops = step_flops(request.model_of(name), name, lowered.work)
  work = StepWork(
    flops=flops['model'],
    recomputed=flops['recomputed'],
    # A CPU fuses less, so its program has other traffic.
    traffic=None if request.simulated else traffic(program),
    collectives=collectives(program, len(devices)),
    tokens=int(lowered.work.tokens),
  )
  return {
    'fits': None,
    'needed_bytes': sum(kinds.values()),
    'memory': kinds,
    'flops': flops,
    'traffic_bytes': work.traffic,
    'collectives': by_kind(work.collectives),
    'uncounted_loops': sum(loop.count is None for loop in program.loops()),
    'step': estimate_step(work, topology, request.model.compute_dtype, devices),
  }
