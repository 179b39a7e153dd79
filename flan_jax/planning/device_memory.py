"""Whether a training step fits the devices that are present."""

import jax
from jax.sharding import Mesh

from flan_jax.errors import ConfigError
from flan_jax.planning import chips
from flan_jax.planning.memory import allocated, memory_used
from flan_jax.planning.programs import lower
from flan_jax.planning.request import Request

_GIB = 2**30


def check_memory(request: Request, mesh: Mesh) -> str | None:
  """Compares the memory of a training step with that of a device.

  Compiles the step, but only where the memory of the devices is published.

  Args:
    request: The run; its topology is not read.
    mesh: The devices that are present.

  Returns:
    What the step needs, in words; None if the memory is not known.

  Raises:
    ConfigError: The step does not fit.
  """
  chip = chips.chip_of_kind(mesh.devices.flat[0].device_kind)
  if chip is None:
    return None
  lowered = lower(request, 'train', mesh)
  try:
    needed = allocated(lowered.lowered.compile())
  except jax.errors.JaxRuntimeError as error:
    used = memory_used(str(error), sum(lowered.given.values()))
    if used is None:
      raise
    needed = used
  available = chip.memory_bytes // chip.devices
  text = (
    f'a training step needs {needed / _GIB:.2f} of {available / _GIB:.2f} GiB '
    f'of a {chip.name} device'
  )
  if needed > available:
    raise ConfigError(
      f'{text}: lower BATCH_ROWS, or raise MICROBATCHES, MESH_FSDP or '
      'MESH_MODEL; `flan-jax plan` proposes settings'
    )
  return text
