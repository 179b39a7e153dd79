"""The sides of `data_pipeline` by name, and how their speed is measured."""

from collections.abc import Callable, Iterator
import functools
import importlib.util
import itertools
import time
from typing import Any

import numpy as np
import psutil

from benchmarks.common import side_process
from benchmarks.data_pipeline.own import ARRAYS, Batch, OwnSide, Task

# This project's batches: in the form of the others, as they are, and as
# training gets them.
OWN, COMPACT, LOADER = 'flan_jax', 'flan_jax_compact', 'flan_jax_loader'
ONLINE = 'seqio_online'
# Cached with one rendering of each row, and with as many as this project has.
CACHED = {'seqio_cached_one': 'one', 'seqio_cached_several': 'several'}
# Collated as by TRL's trainer, and straight from the Arrow buffers.
TRAINER, ARROW = 'hugging_face_trainer', 'hugging_face_arrow'
SIDES = (OWN, COMPACT, LOADER, ONLINE, *CACHED, TRAINER, ARROW)

# Beam needs one of these to write TFRecords.
_CHECKSUMS = ('google_crc32c', 'snappy', 'crcmod')
# Batches before each measurement that are not counted, because they may have
# been prepared during another side's turn.
_LEAD_IN = 50
# Quarters of a second without work after which the process counts as idle.
_CALM_LOOKS = 4


class Side:
  """One way to read the mixture, in this process."""

  def __init__(
    self,
    name: str,
    read: Callable[[], Iterator[Batch]],
    sequence: Callable[[np.ndarray, np.ndarray], np.ndarray] | None,
    shape: tuple[int, int],
    prepared: float | None = None,
  ):
    """Reads the first batch; raises ValueError if it has another form.

    Args:
      name: Name of the side.
      read: Opens the files, and yields batches without end.
      sequence: (tokens, labels) of one segment -> the whole sequence; None for
        a side with a form of its own.
      shape: (B, L) of a batch.
      prepared: Seconds that the files took to make, None if there are none.
    """
    begin = time.perf_counter()
    self.name, self.sequence = name, sequence
    self.batches = read()
    batch = next(self.batches)
    seconds = time.perf_counter() - begin
    found = {key: (array.dtype, array.shape) for key, array in batch.items()}
    wanted = {key: (np.dtype('int32'), shape) for key in ARRAYS}
    if sequence is not None and found != wanted:
      raise ValueError(f'{name} delivers {found}, not {wanted}')
    self.facts = {
      'seconds_to_prepare': prepared,
      'seconds_to_first_batch': round(seconds, 3),
    }

  def sequences(self, batch: Batch) -> Iterator[bytes]:
    """Yields the whole sequences of a batch, as bytes of int32."""
    rows = zip(batch['tokens'], batch['labels'], batch['segments'], strict=True)
    for tokens, labels, segments in rows:
      for segment in range(1, int(segments.max()) + 1):
        places = segments == segment
        found = self.sequence(tokens[places], labels[places])
        yield found.astype(np.int32).tobytes()

  def skip(self, count: int) -> None:
    """Reads batches that are not counted."""
    for _ in itertools.islice(self.batches, count):
      pass

  def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
    """Takes a turn as a `SideProcess` does, once the others are idle."""
    _settle()
    self.skip(_LEAD_IN)
    return side_process.call(self, do, **arguments)

  def run(self, case: str, seconds: float) -> dict[str, float]:
    """Returns the tokens that come in a time, and their share of positions."""
    del case
    tokens = places = 0
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
      segments = next(self.batches)['segments']
      tokens += int(np.count_nonzero(segments))
      places += segments.size
    return {'work': tokens, 'fill': tokens / places}


def _settle(longest: float = 60) -> None:
  """Waits until the other sides have stopped preparing in the background."""
  process = psutil.Process()
  process.cpu_percent()
  end, calm = time.monotonic() + longest, 0
  while time.monotonic() < end and calm < _CALM_LOOKS:
    time.sleep(0.25)
    calm = calm + 1 if process.cpu_percent() < 5 else 0


def unavailable(name: str) -> str | None:
  """Returns why a side cannot be measured here, None if it can."""
  has = importlib.util.find_spec
  if name in CACHED and not has('apache_beam'):
    return "needs Apache Beam: pip install '.[cache]'"
  if name in CACHED and not any(map(has, _CHECKSUMS)):
    return 'Beam writes TFRecords with google-crc32c: pip install it'
  if name in (TRAINER, ARROW) and not (has('datasets') and has('trl')):
    return 'needs datasets and trl: pip install them'
  return None


def start(name: str, task: Task, own: OwnSide) -> Side:
  """Makes the files of a side if they are missing, and starts it."""
  ours = {
    # The last token of a sequence is only a label.
    OWN: (own.batches, lambda tokens, labels: np.append(tokens, labels[-1])),
    COMPACT: (own.compact_batches, None),
    LOADER: (own.loaded_batches, None),
  }
  if name in ours:
    return Side(name, *ours[name], task.shape)
  if name in (TRAINER, ARROW):
    from benchmarks.data_pipeline import hugging_face

    packed, prepared = hugging_face.make_dataset(own, task)
    batches = hugging_face.trainer if name == TRAINER else hugging_face.arrow
    read = functools.partial(batches, packed, task)
    # Labels are not shifted.
    return Side(name, read, lambda tokens, labels: tokens, task.shape, prepared)
  from benchmarks.data_pipeline import seqio_side

  renderings = CACHED.get(name)
  prepared = seqio_side.make_cache(task, renderings) if renderings else None
  read = functools.partial(seqio_side.batches, task, renderings)
  # Every token is a label.
  return Side(name, read, lambda tokens, labels: labels, task.shape, prepared)
