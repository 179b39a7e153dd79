"""The communication between devices in a compiled program."""

from collections.abc import Iterable, Sequence
import dataclasses
import re
from typing import Any

import numpy as np

from flan_jax.planning.hlo import Program

KINDS = (
  'all-gather',
  'all-reduce',
  'reduce-scatter',
  'all-to-all',
  'collective-permute',
)

# TPU programs write a reduce-scatter as a fusion of this name around an
# all-reduce, of which each device keeps its share.
_FUSED_REDUCE_SCATTER = 'all-reduce-scatter'


@dataclasses.dataclass(frozen=True)
class Collective:
  """One instruction by which devices exchange data."""

  kind: str  # One of `KINDS`.
  times: int  # How often a step runs it.
  # Bytes that a device sends each time, by the best algorithm for a ring: with
  # n devices, an all-reduce sends 2 (n - 1) / n of the array.
  sent: float
  group: tuple[int, ...]  # Numbers of the devices of one exchanging group.


def collectives(program: Program, devices: int) -> list[Collective]:
  """Returns the collectives of a step on a number of devices."""
  return [
    _collective(*found, times, devices)
    for computation, times in program.executed()
    for found in _instructions(program, computation)
  ]


def _instructions(program, computation):
  """Yields kind, place and instruction of a computation's collectives.

  A TPU may overlap a collective with other work by splitting it into several
  fusions, all with the same channel; the first one counts.
  """
  channels = set()
  for instruction in computation.instructions.values():
    kind = _kind(instruction)
    if kind is not None:
      yield kind, computation, instruction
    if instruction.opcode != 'fusion':
      continue
    inside = program.fused(instruction)
    scatter = inside.name.startswith(_FUSED_REDUCE_SCATTER)
    for member in inside.instructions.values():
      kind = _kind(member)
      channel = re.search(r'\bchannel_id=\d+', member.text)
      if kind is None or (channel and channel[0] in channels):
        continue
      if channel:
        channels.add(channel[0])
      yield 'reduce-scatter' if scatter else kind, inside, member


def by_kind(found: Iterable[Collective]) -> dict[str, dict[str, float]]:
  """Returns the count and the bytes a device sends per step, for each kind."""
  table = {}
  for one in found:
    row = table.setdefault(one.kind, {'count': 0, 'bytes': 0.0})
    row['count'] += one.times
    row['bytes'] += one.times * one.sent
  return dict(sorted(table.items(), key=lambda item: KINDS.index(item[0])))


def _kind(instruction):
  kind = instruction.opcode.removesuffix('-start')
  return kind if kind in KINDS else None


def _collective(kind, computation, instruction, times, devices):
  operands = computation.operands(instruction)
  given = sum(array.bytes for o in operands for array in o.arrays)
  if kind == 'collective-permute':
    pairs = re.search(r'source_target_pairs=\{\{([\d,]+)\}', instruction.text)
    group = _numbers(pairs[1]) if pairs else ()
    return Collective(kind, times, given, group)
  group = first_group(instruction.text, devices)
  factor = {'all-gather': len(group), 'all-reduce': 2}.get(kind, 1)
  sent = factor * given * (len(group) - 1) / len(group)
  return Collective(kind, times, sent, group)


def first_group(text: str, devices: int) -> tuple[int, ...]:
  """Returns the first group of devices that an instruction names.

  XLA has three notations, and names no group if there is only one.

  >>> first_group('replica_groups={{0,2},{1,3}}', 4)
  (0, 2)
  >>> first_group('replica_groups=[2,2]<=[2,2]T(1,0)', 4)
  (0, 2)
  >>> first_group("replica_groups=mesh['a'=2,'b'=2] {'a'}", 4)
  (0, 2)
  """
  listed = re.search(r'replica_groups=\{\{([\d,]+)\}', text)
  if listed:
    return _numbers(listed[1])
  counted = re.search(
    r'replica_groups=\[([\d,]+)\]<=\[([\d,]+)\](?:T\(([\d,]+)\))?', text
  )
  if counted:
    return tuple(_counted(*counted.groups())[0].tolist())
  meshed = re.search(
    r'replica_groups=mesh\[([^\]]+)\](?:, device_ids=\(\[([\d,]+)\]'
    r'(?:T\(([\d,]+)\))?\))? \{([^}]*)\}',
    text,
  )
  if meshed:
    return _meshed(*meshed.groups())
  return tuple(range(devices))


def _numbers(text):
  return tuple(map(int, text.split(',')))


def _counted(shape, dims, order):
  ids = np.arange(np.prod(_numbers(dims))).reshape(_numbers(dims))
  if order is not None:
    ids = ids.transpose(_numbers(order))
  return ids.reshape(_numbers(shape))


def _meshed(axes, dims, order, along):
  sizes = dict(axis.rsplit('=', 1) for axis in axes.split(','))
  shape = ','.join(sizes.values())
  ids = _counted(shape, dims or shape, order)
  along = along.split(',')
  index = tuple(slice(None) if name in along else 0 for name in sizes)
  return tuple(np.ravel(ids[index]).tolist())


def links_share(group: Sequence[int], devices: Sequence[Any]) -> float | None:
  """Returns the share of a chip's links that a group of devices can use.

  A chip has links along each axis of its torus; a group can use the links of
  the axes it extends along.

  Args:
    group: Indices into `devices`.
    devices: All devices.

  Returns:
    1 if devices have no coordinates, None for a group within one chip.
  """
  places = [getattr(devices[number], 'coords', None) for number in group]
  if any(place is None for place in places):
    return 1.0
  extents = np.ptp([device.coords for device in devices], axis=0)
  axes = max(1, np.count_nonzero(extents))
  used = np.count_nonzero(np.ptp(places, axis=0))
  return used / axes if used else None


def crosses_slices(group: Sequence[int], devices: Sequence[Any]) -> bool:
  """Returns whether a group of devices spans several slices."""
  return len({getattr(devices[n], 'slice_index', 0) for n in group}) > 1
