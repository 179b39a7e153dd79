"""Proposes settings under which a program fits, each compiled to make sure."""

from collections.abc import Iterator, Sequence
import dataclasses
from typing import Any

import jax.numpy as jnp

from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import REMATS
from flan_jax.planning.planner import check, plan_program
from flan_jax.planning.programs import device_bytes
from flan_jax.planning.request import Request
from flan_jax.sharding.mesh import MeshConfig, batch_shards
from flan_jax.training.optimizer import make_optimizer
from flan_jax.training.step import abstract_state

# Changes of each kind to compile, which takes minutes for a large model.
_TRIES = 2


@dataclasses.dataclass(frozen=True)
class _Change:
  """Settings to change; None keeps a setting."""

  mesh: MeshConfig | None = None
  remat: str | None = None
  microbatches: int | None = None

  def name(self) -> str:
    names = ('mesh', 'rematerialization', 'microbatches')
    values = (self.mesh, self.remat, self.microbatches)
    changed = [n for n, v in zip(names, values, strict=True) if v is not None]
    return ' and '.join(changed)

  def bindings(self) -> dict[str, Any]:
    """Returns the change as gin bindings."""
    mesh = dataclasses.asdict(self.mesh) if self.mesh else {}
    bindings = {f'MESH_{axis.upper()}': size for axis, size in mesh.items()}
    bindings['DecoderConfig.remat'] = self.remat
    bindings['MICROBATCHES'] = self.microbatches
    return {n: value for n, value in bindings.items() if value is not None}

  def applied_to(self, request: Request) -> Request:
    remat = self.remat or request.model.remat
    return dataclasses.replace(
      request,
      mesh=self.mesh or request.mesh,
      model=dataclasses.replace(request.model, remat=remat),
      microbatches=self.microbatches or request.microbatches,
    )


def propose(
  request: Request, plan: dict[str, Any], devices: Sequence[Any]
) -> list[dict[str, Any]]:
  """Finds settings under which every program of a request fits.

  Changes one thing at a time, and all together if no single change suffices.

  Args:
    request: What was planned.
    plan: Its plan, from `planner.plan`.
    devices: From `topology.devices_of`.

  Returns:
    At most three proposals, each with `name`, `settings` (gin bindings), and
    `needed_bytes` and `step` of each program. None if everything fits.
  """
  if all(plan[name]['fits'] is not False for name in request.programs):
    return []
  # Programs that did not fit come first.
  names = sorted(request.programs, key=lambda name: bool(plan[name]['fits']))
  request = dataclasses.replace(request, programs=tuple(names))
  available = plan[names[0]]['memory_bytes']
  meshes = _meshes(request, devices)
  rows = _device_rows(request, request.mesh, devices)
  counts = range(request.microbatches + 1, rows + 1)
  kinds = (
    [_Change(mesh=mesh) for mesh in meshes],
    [_Change(remat=r) for r in REMATS[REMATS.index(request.model.remat) + 1 :]],
    [_Change(microbatches=count) for count in counts if rows % count == 0],
  )
  found = [_first_fitting(k, request, devices, available) for k in kinds]
  if not any(found):
    # The largest saving on each mesh, the requested one first.
    together = []
    for mesh in (None, *meshes):
      rows = _device_rows(request, mesh or request.mesh, devices)
      count = None if rows == request.microbatches else rows
      together.append(_Change(mesh, REMATS[-1], count))
    found = [_first_fitting(together, request, devices, available)]
  return [proposal for proposal in found if proposal is not None]


def _first_fitting(changes, request, devices, available):
  """Returns the first change under which all programs fit, or None."""
  tried = 0
  for change in changes:
    changed = change.applied_to(request)
    mesh = check(changed, devices)
    if _least_bytes(changed, mesh) > available:
      continue
    if tried == _TRIES:
      return None
    tried += 1
    programs = {}
    for name in request.programs:
      programs[name] = plan_program(changed, name, mesh)
      if not programs[name]['fits']:
        break
    else:
      return {
        'name': change.name(),
        'settings': change.bindings(),
        'needed_bytes': {n: p['needed_bytes'] for n, p in programs.items()},
        'step': {n: p['step'] for n, p in programs.items()},
      }
  return None


def _least_bytes(request, mesh):
  """Returns the bytes for training without any activations."""
  state = abstract_state(request.model, make_optimizer(request.optimizer), mesh)
  copies = 1 if request.microbatches == 1 else 2
  return device_bytes(state) + copies * device_bytes(state['params'])


def _likely_bytes(request, mesh):
  """Adds what rematerialized layers keep of their inputs."""
  rows = request.batch_rows / request.microbatches / batch_shards(mesh)
  kept = rows * request.pack_length * request.model.d_model
  kept *= request.model.num_layers
  kept *= jnp.dtype(request.model.compute_dtype).itemsize
  return _least_bytes(request, mesh) + kept


def _device_rows(request, mesh, devices):
  """Returns the rows of a batch per device that reads rows of its own."""
  data, fsdp, _ = mesh.shape(len(devices))
  return request.batch_rows // (data * fsdp)


def _meshes(request: Request, devices: Sequence[Any]) -> list[MeshConfig]:
  """Returns other meshes of the devices, lowest memory first."""
  found = []
  for config in _factorizations(len(devices)):
    changed = dataclasses.replace(request, mesh=config)
    try:
      mesh = check(changed, devices)
    except ConfigError:  # Does not divide the model, the batch or the slices.
      continue
    if config.shape(len(devices)) != request.mesh.shape(len(devices)):
      # Among equals, few devices along `model` send least.
      found.append((_likely_bytes(changed, mesh), config.model, config))
  return [config for *_, config in sorted(found, key=lambda f: f[:2])]


def _factorizations(count: int) -> Iterator[MeshConfig]:
  for model in range(1, count + 1):
    for fsdp in range(1, count // model + 1):
      if count % (model * fsdp) == 0:
        yield MeshConfig(count // (model * fsdp), fsdp, model)
