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
  """The work of a step, over all devices unless noted."""

  flops: float  # Operations that the model needs.
  recomputed: float  # Operations repeated to save memory.
  traffic: int | None  # Bytes to and from a device's memory; None if unknown.
  collectives: Sequence[Collective]  # What a device sends.
  tokens: int  # Tokens of a batch.


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
  computed = share + work.recomputed / len(devices)
  seconds = {'compute': computed / (peak * ASSUMED['compute'])}
  if work.traffic is not None:
    bandwidth = chip.memory_bandwidth / chip.devices
    seconds['memory'] = work.traffic / (bandwidth * ASSUMED['memory'])
  seconds['interconnect'] = _interconnect(work, topology, devices)
  bound = max(seconds, key=seconds.get)
  overlapped, serial = seconds[bound], sum(seconds.values())
  return {
    **{f'{name}_s': seconds.get(name) for name in ASSUMED},
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
    links = links_share(one.group, devices)
    if crosses_slices(one.group, devices):
      seconds += one.times * one.sent / (BETWEEN_SLICES / chip.devices)
    elif links is not None:  # Not within a chip.
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
  hours = [step[name] * steps / 3600 for name in ('overlapped_s', 'serial_s')]
  chip_hours = [topology.chips * h for h in hours]

  def times(rate, scale=1):
    return None if rate is None else [rate / scale * h for h in chip_hours]

  return {
    'steps': steps,
    'hours': hours,
    'chip_hours': chip_hours,
    'kwh': times(chip.watts, 1000),
    'dollars': times(chip.dollars_per_hour),
  }
