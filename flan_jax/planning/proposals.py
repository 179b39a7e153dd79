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
  """A request with other settings.

  Attributes:
    name: What was changed.
    settings: The change as gin bindings.
    request: The changed request.
  """

  name: str
  settings: dict[str, Any]
  request: Request


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
  # Compile first what did not fit.
  names = sorted(request.programs, key=lambda name: bool(plan[name]['fits']))
  if plan[names[0]]['fits'] is not False:
    return []
  available = plan[names[0]]['memory_bytes']
  meshes = _meshes(request, devices)

  def fitting(*kinds):
    found = (_first_fitting(k, names, devices, available) for k in kinds)
    return [proposal for proposal in found if proposal is not None]

  return fitting(
    meshes, _remats(request), _microbatches(request, devices)
  ) or fitting(_together(request, meshes, devices))


def _first_fitting(changes, names, devices, available):
  """Returns the first change under which all programs fit, or None."""
  tried = 0
  for change in changes:
    mesh = check(change.request, devices)
    if _least_bytes(change.request, mesh) > available:
      continue
    if tried == _TRIES:
      return None
    tried += 1
    programs = {}
    for name in names:
      programs[name] = plan_program(change.request, name, mesh)
      if not programs[name]['fits']:
        break
    else:
      return {
        'name': change.name,
        'settings': change.settings,
        'needed_bytes': {n: programs[n]['needed_bytes'] for n in names},
        'step': {n: programs[n]['step'] for n in names},
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


def _meshes(request: Request, devices: Sequence[Any]) -> list[_Change]:
  """Returns other meshes of the devices, lowest memory first."""
  found = []
  for config in _factorizations(len(devices)):
    changed = dataclasses.replace(request, mesh=config)
    try:
      mesh = check(changed, devices)
    except ConfigError:  # Does not divide the model, the batch or the slices.
      continue
    settings = {
      f'MESH_{axis.upper()}': size
      for axis, size in dataclasses.asdict(config).items()
    }
    if config.shape(len(devices)) != request.mesh.shape(len(devices)):
      change = _Change('mesh', settings, changed)
      # Among equals, few devices along `model` send least.
      found.append((_likely_bytes(changed, mesh), config.model, change))
  return [change for *_, change in sorted(found, key=lambda f: f[:2])]


def _factorizations(count: int) -> Iterator[MeshConfig]:
  for model in range(1, count + 1):
    for fsdp in range(1, count // model + 1):
      if count % (model * fsdp) == 0:
        yield MeshConfig(count // (model * fsdp), fsdp, model)


def _remats(request: Request) -> list[_Change]:
  """Returns policies that keep less, mildest first."""
  return [
    _Change(
      'rematerialization',
      {'DecoderConfig.remat': remat},
      _with_remat(request, remat),
    )
    for remat in REMATS[REMATS.index(request.model.remat) + 1 :]
  ]


def _with_remat(request, remat):
  model = dataclasses.replace(request.model, remat=remat)
  return dataclasses.replace(request, model=model)


def _microbatches(request: Request, devices: Sequence[Any]) -> list[_Change]:
  """Returns smaller parts of a batch, largest first."""
  data, fsdp, _ = request.mesh.shape(len(devices))
  most = request.batch_rows // (data * fsdp)
  return [
    _Change(
      'microbatches',
      {'MICROBATCHES': count},
      dataclasses.replace(request, microbatches=count),
    )
    for count in range(request.microbatches + 1, most + 1)
    if most % count == 0
  ]


def _together(
  request: Request, meshes: Sequence[_Change], devices: Sequence[Any]
) -> Iterator[_Change]:
  """Yields the largest saving on each mesh, the requested one first."""
  here = _Change('', {}, request)
  for change in (here, *meshes):
    saved = _with_remat(change.request, REMATS[-1])
    data, fsdp, _ = saved.mesh.shape(len(devices))
    pieces = request.batch_rows // (data * fsdp)
    settings = {**change.settings, 'DecoderConfig.remat': REMATS[-1]}
    names = [change.name] if change.name else []
    names.append('rematerialization')
    if pieces > 1:
      settings['MICROBATCHES'] = pieces
      names.append('microbatches')
    yield _Change(
      ' and '.join(names),
      settings,
      dataclasses.replace(saved, microbatches=pieces),
    )
