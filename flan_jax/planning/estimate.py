"""Estimates the time of a step and the cost of a run, from published rates.

Nothing is measured: what a program computes, moves and sends is divided by the
published rates of the chip, of which programs attain a share. The shares are
assumptions, printed wherever they are used.
"""

from collections.abc import Sequence
import dataclasses
from typing import Any

from flan_jax.planning.collectives import (
  Collective,
  crosses_slices,
  links_share,
)
from flan_jax.planning.topology import Topology

# Attained shares of the published rates.
ASSUMED = {'compute': 0.6, 'memory': 0.8, 'interconnect': 0.7}
# Bytes per second and chip between slices, assumed: 100 Gbit/s per host of four
# chips. For most chips nothing is published.
BETWEEN_SLICES = 3.125e9


@dataclasses.dataclass(frozen=True)
class StepWork:
  """The work of a step.

  Attributes:
    flops: Operations that the model needs, over all devices.
    recomputed: Operations repeated to save memory, over all devices.
    traffic: Bytes to and from a device's memory; None if unknown.
    collectives: What a device sends.
    tokens: Tokens of a batch, over all devices.
  """

  flops: float
  recomputed: float
  traffic: int | None
  collectives: Sequence[Collective]
  tokens: int


def estimate_step(
  work: StepWork, topology: Topology, compute_dtype: str, devices: Sequence[Any]
) -> dict[str, Any] | None:
  """Estimates the seconds of a step.

  Args:
    work: The work of the step.
    topology: The hardware.
    compute_dtype: Type of the matrix products.
    devices: In the order in which the program numbers them.

  Returns:
    `compute_s`, `memory_s` (None if unknown) and `interconnect_s`; `bound`, the
    longest of them, and its time `overlapped_s`, the step's if everything
    overlaps; `serial_s`, their sum; and, lowest and highest,
    `tokens_per_second` and `mfu`, the share of peak operations that the model
    needs. None for a chip whose rates are not published.
  """
  chip = topology.chip
  peak = None if chip is None else chip.device_flops(compute_dtype)
  if peak is None:
    return None
  share = work.flops / len(devices)
  seconds = {
    'compute': (share + work.recomputed / len(devices))
    / (peak * ASSUMED['compute']),
    'memory': None,
    'interconnect': _interconnect(work, topology, devices),
  }
  if work.traffic is not None:
    bandwidth = chip.memory_bandwidth / chip.devices
    seconds['memory'] = work.traffic / (bandwidth * ASSUMED['memory'])
  known = {name: value for name, value in seconds.items() if value is not None}
  bound = max(known, key=known.get)
  overlapped, serial = known[bound], sum(known.values())
  return {
    **{f'{name}_s': value for name, value in seconds.items()},
    'bound': bound,
    'overlapped_s': overlapped,
    'serial_s': serial,
    'tokens_per_second': [work.tokens / serial, work.tokens / overlapped],
    'mfu': [share / serial / peak, share / overlapped / peak],
    'assumed': dict(ASSUMED),
  }


def _interconnect(work, topology, devices):
  """Returns the seconds for which a device sends."""
  chip, seconds = topology.chip, 0.0
  within = chip.interconnect_bandwidth / chip.devices
  for one in work.collectives:
    if crosses_slices(one.group, devices):
      rate = BETWEEN_SLICES / chip.devices
    else:
      links = links_share(one.group, devices)
      if links is None:  # Within a chip.
        continue
      rate = within * links * ASSUMED['interconnect']
    seconds += one.times * one.sent / rate
  return seconds


def estimate_run(
  step: dict[str, Any], topology: Topology, steps: int
) -> dict[str, Any]:
  """Estimates the cost of a run.

  Evaluation, checkpoints and start-up are excluded. Energy is that of the chips
  alone, without hosts and cooling.

  Returns:
    `steps`, and `hours`, `chip_hours`, `kwh` and `dollars`, each lowest and
    highest; None if the chip's power or price is not published.
  """
  chip = topology.chip
  seconds = (step['overlapped_s'], step['serial_s'])
  hours = [one * steps / 3600 for one in seconds]
  chip_hours = [topology.chips * h for h in hours]

  def times(rate):
    return None if rate is None else [rate * h for h in chip_hours]

  watts = chip.watts
  return {
    'steps': steps,
    'hours': hours,
    'chip_hours': chip_hours,
    'kwh': times(None if watts is None else watts / 1000),
    'dollars': times(chip.dollars_per_hour),
  }
