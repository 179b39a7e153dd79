"""What every side of a comparison delivers, and how its speed is taken."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import json
import os
import pathlib
import platform
import statistics
import time
from typing import Any

import numpy as np
import psutil

# The arrays of a batch, all int32 [B, L].
ARRAYS = ('tokens', 'segments', 'positions', 'labels', 'loss_mask')

Batch = Mapping[str, np.ndarray]

# Batches that are taken and not counted before each measurement: what was
# prepared while another side had its turn.
_LEAD_IN = 50

# Quarters of a second without work after which nothing more is expected.
_CALM_LOOKS = 4


@dataclasses.dataclass
class Side:
  """One way to read the mixture.

  Attributes:
    name: In the results.
    batches: The batches, without an end.
    sequence: (tokens, labels) of one segment -> the whole sequence; None
      where the side has another form.
    seconds_to_first_batch: From opening what lies on disk.
    seconds_to_prepare: Making what lies on disk; None where nothing is made.
  """

  name: str
  batches: Iterator[Batch]
  sequence: Callable[[np.ndarray, np.ndarray], np.ndarray] | None
  seconds_to_first_batch: float
  seconds_to_prepare: float | None = None


@dataclasses.dataclass(frozen=True)
class Measurement:
  """One turn of one side.

  Attributes:
    side: Its name.
    repetition: Which turn.
    batches: Taken.
    seconds: Passed.
    cpu_seconds: Spent by all threads of this process.
    tokens: Places that hold a token.
    fill: Share of all places.
    load: The machine's load average of the last minute.
  """

  side: str
  repetition: int
  batches: int
  seconds: float
  cpu_seconds: float
  tokens: int
  fill: float
  load: float

  @property
  def tokens_per_second(self) -> float:
    return self.tokens / self.seconds


def start(
  name: str,
  open_batches: Callable[[], Iterator[Batch]],
  sequence: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None,
  shape: tuple[int, int] | None = None,
  seconds_to_prepare: float | None = None,
) -> Side:
  """Returns a side whose first batch has come, and is what it should be.

  Args:
    name: Of the side.
    open_batches: Opens its files.
    sequence: As in `Side`.
    shape: (B, L); None for a side with a form of its own.
    seconds_to_prepare: As in `Side`.

  Raises:
    ValueError: other arrays than `ARRAYS`, int32 of the given shape.
  """
  begin = time.perf_counter()
  batches = open_batches()
  batch = next(batches)
  seconds = time.perf_counter() - begin
  found = {key: (array.dtype.name, array.shape) for key, array in batch.items()}
  wanted = {key: ('int32', shape) for key in ARRAYS}
  if shape is not None and found != wanted:
    raise ValueError(f'{name} delivers {found}, not {wanted}')
  return Side(name, batches, sequence, seconds, seconds_to_prepare)


def measure(side: Side, repetition: int, seconds: float) -> Measurement:
  """Counts the tokens that a side delivers in so many seconds."""
  for _ in range(_LEAD_IN):
    next(side.batches)
  tokens = places = batches = 0
  cpu = time.process_time()
  begin = time.perf_counter()
  while (passed := time.perf_counter() - begin) < seconds:
    segments = next(side.batches)['segments']
    tokens += int(np.count_nonzero(segments))
    places += segments.size
    batches += 1
  return Measurement(
    side=side.name,
    repetition=repetition,
    batches=batches,
    seconds=passed,
    cpu_seconds=time.process_time() - cpu,
    tokens=tokens,
    fill=tokens / places,
    load=os.getloadavg()[0],
  )


def measure_in_turn(
  sides: Sequence[Side], repetitions: int, seconds: float
) -> list[Measurement]:
  """Measures all sides in turn, so that what slows the machine hits all.

  Each measurement is printed as a line.
  """
  measurements = []
  for repetition in range(repetitions):
    for side in sides:
      settle()
      measurement = measure(side, repetition, seconds)
      measurements.append(measurement)
      say(
        measurement=dataclasses.asdict(measurement),
        tokens_per_second=round(measurement.tokens_per_second),
      )
  return measurements


def settle(longest: float = 60) -> None:
  """Waits until what other sides prepare in the background is prepared."""
  process = psutil.Process()
  process.cpu_percent()
  end, calm = time.monotonic() + longest, 0
  while time.monotonic() < end and calm < _CALM_LOOKS:
    time.sleep(0.25)
    calm = calm + 1 if process.cpu_percent() < 5 else 0


def warm_page_cache(folder: str | os.PathLike) -> None:
  """Reads every file below a folder once."""
  for path in sorted(pathlib.Path(folder).rglob('*')):
    if path.is_file():
      with path.open('rb') as file:
        while file.read(2**24):
          pass


def sequences(side: Side, batch: Batch) -> Iterator[bytes]:
  """Yields the whole sequences of a batch, as bytes of int32."""
  for row in range(len(batch['segments'])):
    segments = batch['segments'][row]
    for segment in range(1, int(segments.max()) + 1):
      places = segments == segment
      yield (
        side.sequence(
          batch['tokens'][row][places], batch['labels'][row][places]
        )
        .astype(np.int32)
        .tobytes()
      )


def spread(values: Sequence[float]) -> dict[str, float]:
  """Returns the median and the noise of several figures."""
  return {
    'median': round(statistics.median(values), 3),
    'min': round(min(values), 3),
    'max': round(max(values), 3),
  }


def ratio(
  measurements: Sequence[Measurement], side: str, other: str
) -> dict[str, float]:
  """Returns how many times faster a side was, turn by turn."""
  speeds = {
    (m.side, m.repetition): m.tokens_per_second
    for m in measurements
    if m.side in (side, other)
  }
  turns = sorted({repetition for name, repetition in speeds if name == other})
  return spread([speeds[side, turn] / speeds[other, turn] for turn in turns])


def machine() -> dict[str, Any]:
  """Returns what the figures depend on beside the code."""
  return {
    'cores': len(os.sched_getaffinity(0)),
    'processor': _processor(),
    'python': platform.python_version(),
    'load': [round(load, 2) for load in os.getloadavg()],
  }


def _processor() -> str:
  lines = pathlib.Path('/proc/cpuinfo')
  if lines.exists():
    for line in lines.read_text().splitlines():
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  return platform.processor()


def say(**fields: Any) -> None:
  """Prints one line of JSON."""
  print(json.dumps(fields), flush=True)
