"""Plans a run: compiles its programs for devices that there need not be.

What is compiled is what `train` and `eval` run, from shapes alone: no array is
made, and one host plans for hundreds of chips.
"""

from collections.abc import Sequence
import time
from typing import Any

import jax
from jax.sharding import Mesh

from flan_jax.model import abstract_params, resolve_attention
from flan_jax.planning import collectives as collectives_lib
from flan_jax.planning import traffic as traffic_lib
from flan_jax.planning.estimate import Work, estimate_run, estimate_step
from flan_jax.planning.hlo import Program
from flan_jax.planning.memory import memory, memory_used
from flan_jax.planning.programs import (
  Lowered,
  Request,
  lower,
  model_flops,
  recomputed_flops,
)
from flan_jax.planning.topology import Topology
from flan_jax.sharding.mesh import batch_shards, check_batch, make_mesh


def check(request: Request, devices: Sequence[Any]) -> Mesh:
  """Lays devices out; finds what would fail before anything is compiled.

  Raises:
    ValueError: the mesh does not fit the devices, the model or the batch.
  """
  mesh = make_mesh(request.mesh, devices)
  check_batch(request.batch_rows, mesh)
  shards = batch_shards(mesh)
  if request.batch_rows % (request.microbatches * shards):
    raise ValueError(
      f'BATCH_ROWS={request.batch_rows} is not a multiple of MICROBATCHES='
      f'{request.microbatches} times the {shards} parts that the mesh '
      f'{dict(mesh.shape)} divides rows into.'
    )
  resolve_attention(request.model, mesh)
  abstract_params(request.model, mesh)
  return mesh


def plan(request: Request, devices: Sequence[Any]) -> dict[str, Any]:
  """Compiles each program of a request.

  Args:
    request: What is planned.
    devices: From `topology.devices_of`.

  Returns:
    What is planned for (`topology`, `chip`, `chips`, `devices`, `simulated`),
    `mesh`, `batch`, `parameters`, the programs of the request, and `run`, see
    `estimate.estimate_run`, None if training is not planned or not estimated.

  Raises:
    ValueError: see `check`; nothing was compiled.
  """
  mesh = check(request, devices)
  topology = Topology.parse(request.topology)
  programs = {
    name: plan_program(request, name, mesh) for name in request.programs
  }
  step = programs.get('train', {}).get('step')
  return {
    'topology': topology.name,
    'chip': None if topology.chip is None else topology.chip.name,
    'chips': topology.chips,
    'devices': len(devices),
    'simulated': request.simulated,
    'parameters': request.model.param_count(),
    'mesh': dict(mesh.shape),
    'remat': request.model.remat,
    'compute_dtype': request.model.compute_dtype,
    'attention': resolve_attention(
      request.model, mesh, gradients=True
    ).attention,
    'batch': {
      'rows': request.batch_rows,
      'length': request.pack_length,
      'target_budget': request.target_budget,
      'microbatches': request.microbatches,
    },
    **programs,
    'run': step and estimate_run(step, topology, request.train_steps),
  }


def plan_program(request: Request, name: str, mesh: Mesh) -> dict[str, Any]:
  """Compiles one program.

  Returns:
    `memory_bytes` of a device, `needed_bytes`, by kind in `memory`, and `fits`,
    None where the memory is unknown; `rows` and `length` of the batch; and but
    where the compiler found that it does not fit: `flops`, `traffic_bytes`,
    `collectives`, `uncounted_loops` (counted once, for want of their length),
    and `step`, see `estimate.estimate_step`.
  """
  topology = Topology.parse(request.topology)
  chip = topology.chip
  available = None if chip is None else chip.memory_bytes // chip.devices
  lowered = lower(request, name, mesh)
  result = {
    'rows': lowered.rows,
    'length': lowered.length,
    'memory_bytes': available,
  }
  start = time.monotonic()
  try:
    compiled = lowered.lowered.compile()
  except jax.errors.JaxRuntimeError as error:
    used = memory_used(str(error), sum(lowered.given.values()))
    if used is None:
      raise
    result |= {'fits': False, 'needed_bytes': used, 'memory': lowered.given}
  else:
    result |= _compiled(request, name, lowered, compiled, mesh)
    if available is not None:
      result['fits'] = result['needed_bytes'] <= available
  return {**result, 'compile_seconds': time.monotonic() - start}


def _compiled(
  request: Request,
  name: str,
  lowered: Lowered,
  compiled: jax.stages.Compiled,
  mesh: Mesh,
) -> dict[str, Any]:
  devices = list(mesh.devices.flat)
  parsed = Program(compiled.as_text())
  kinds = memory(request, name, lowered, compiled, parsed)
  work = Work(
    flops=model_flops(request.model, name, lowered.work),
    recomputed=recomputed_flops(request.model, name, lowered.work),
    # A CPU's program is another: it fuses less.
    traffic=None if request.simulated else traffic_lib.traffic(parsed),
    collectives=collectives_lib.collectives(parsed, len(devices)),
    tokens=lowered.rows * lowered.length,
  )
  return {
    'fits': None,
    'needed_bytes': sum(kinds.values()),
    'memory': kinds,
    'flops': {'model': work.flops, 'recomputed': work.recomputed},
    'traffic_bytes': work.traffic,
    'collectives': collectives_lib.by_kind(work.collectives),
    'uncounted_loops': sum(loop.count is None for loop in parsed.loops()),
    'step': estimate_step(
      work,
      Topology.parse(request.topology),
      request.model.compute_dtype,
      devices,
    ),
  }
