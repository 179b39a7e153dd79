"""Proposes settings under which a program fits, each compiled to make sure."""

from collections.abc import Sequence
import dataclasses
import functools
import itertools
import operator
from typing import Any

import jax.numpy as jnp

from flan_jax.errors import ConfigError
from flan_jax.model.decoder_config import REMATS
from flan_jax.planning.planner import check, plan_program
from flan_jax.planning.programs import device_bytes, gradient_bytes
from flan_jax.planning.request import Request
from flan_jax.sharding.mesh import MeshConfig, batch_shards
from flan_jax.training.optimizer import make_optimizer
from flan_jax.training.step import abstract_state

# Changes of each kind to compile, which takes minutes for a large model.
_TRIES = 2


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
    `needed_bytes` and `step` of each program. Empty if everything fits.
  """
  if all(plan[name]['fits'] is not False for name in request.programs):
    return []
  # Programs that did not fit come first.
  names = sorted(request.programs, key=lambda name: bool(plan[name]['fits']))
  request = dataclasses.replace(request, programs=tuple(names))
  available = plan[names[0]]['memory_bytes']
  meshes = _other_meshes(request, devices)
  remats = REMATS[REMATS.index(request.model.remat) + 1 :]
  rows = _device_rows(request, devices)
  counts = range(request.microbatches + 1, rows + 1)
  kinds = (
    meshes,
    [_rematerialized(request, remat) for remat in remats],
    [_in_microbatches(request, count) for count in counts if rows % count == 0],
  )
  found = [_first_fitting(request, kind, devices, available) for kind in kinds]
  if not any(found):
    # The largest saving on each mesh, the requested one first.
    together = [
      _in_microbatches(
        _rematerialized(changed, REMATS[-1]), _device_rows(changed, devices)
      )
      for changed in (request, *meshes)
    ]
    found = [_first_fitting(request, together, devices, available)]
  return [proposal for proposal in found if proposal is not None]


def _rematerialized(request, remat):
  model = dataclasses.replace(request.model, remat=remat)
  return dataclasses.replace(request, model=model)


def _in_microbatches(request, count):
  return dataclasses.replace(request, microbatches=count)


def _settings(request, changed):
  """Returns the gin bindings of what has changed, by kind of change."""
  kinds = {}
  if changed.mesh != request.mesh:
    mesh = dataclasses.asdict(changed.mesh)
    kinds['mesh'] = {f'MESH_{a.upper()}': size for a, size in mesh.items()}
  if changed.model.remat != request.model.remat:
    kinds['rematerialization'] = {'DecoderConfig.remat': changed.model.remat}
  if changed.microbatches != request.microbatches:
    kinds['microbatches'] = {'MICROBATCHES': changed.microbatches}
  return kinds


def _first_fitting(request, changes, devices, available):
  """Returns the first change under which all programs fit, or None."""
  tried = 0
  for changed in changes:
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
      settings = _settings(request, changed)
      return {
        'name': ' and '.join(settings),
        'settings': functools.reduce(operator.or_, settings.values()),
        'needed_bytes': {n: p['needed_bytes'] for n, p in programs.items()},
        'step': {n: p['step'] for n, p in programs.items()},
      }
  return None


def _least_bytes(request, mesh):
  """Returns the bytes for training without any activations."""
  state = abstract_state(request.model, make_optimizer(request.optimizer), mesh)
  gradients = request.gradient_copies * gradient_bytes(request, state)
  return device_bytes(state) + gradients


def _likely_bytes(request, mesh):
  """Adds what rematerialized layers keep of their inputs."""
  rows = request.batch_rows / request.microbatches / batch_shards(mesh)
  kept = rows * request.pack_length * request.model.d_model
  kept *= request.model.num_layers
  kept *= jnp.dtype(request.model.compute_dtype).itemsize
  return _least_bytes(request, mesh) + kept


def _device_rows(request, devices):
  """Returns the rows of a batch per device that reads rows of its own."""
  data, fsdp, _ = request.mesh.shape(len(devices))
  return request.batch_rows // (data * fsdp)


def _other_meshes(request, devices):
  """Returns the request with other meshes, lowest memory first."""
  found, count = [], len(devices)
  for model, fsdp in itertools.product(range(1, count + 1), repeat=2):
    shape = (count // (model * fsdp), fsdp, model)
    if count % (model * fsdp) or shape == request.mesh.shape(count):
      continue
    changed = dataclasses.replace(request, mesh=MeshConfig(*shape))
    try:
      mesh = check(changed, devices)
    except ConfigError:  # Does not divide the model, the batch or the slices.
      continue
    # Among equals, few devices along `model` send least.
    found.append((_likely_bytes(changed, mesh), model, changed))
  return [changed for *_, changed in sorted(found, key=lambda f: f[:2])]
