"""Reads the files that TensorBoard reads."""

import pathlib

from tensorboardX.proto import event_pb2


def read(path: pathlib.Path) -> list[event_pb2.Event]:
  """Returns the events of a file: length, checksum, event and checksum."""
  data, place, found = path.read_bytes(), 0, []
  while place < len(data):
    size = int.from_bytes(data[place : place + 8], 'little')
    found.append(event_pb2.Event.FromString(data[place + 12 :][:size]))
    place += size + 16
  return found


def scalars(events: list[event_pb2.Event]) -> dict[str, dict[int, float]]:
  """Returns tag -> step -> value."""
  found: dict[str, dict[int, float]] = {}
  for event in events:
    for value in event.summary.value:
      found.setdefault(value.tag, {})[event.step] = value.simple_value
  return found
