"""The sides of the comparison by name, and what each of them needs."""

from collections.abc import Callable, Iterator
import dataclasses
import importlib.util
import pathlib

from benchmarks import measuring, own_side
from benchmarks.measuring import Batch, Side
from flan_jax.batches.loader import PackingConfig
from flan_jax.cache.cached_split import CacheConfig
from flan_jax.vocabulary.base import Vocabulary

# This project's, in the form of the others; as it is; as training gets it.
OWN, COMPACT, LOADER = 'flan_jax', 'flan_jax_compact', 'flan_jax_loader'
ONLINE = 'seqio_online'
# Cached with one rendering a row, and with as many as this project caches.
CACHED = {'seqio_cached_one': 'one', 'seqio_cached_several': 'several'}
# Collated as by TRL's trainer, and straight from the Arrow buffers.
TRAINED, ARROW = 'hugging_face_trainer', 'hugging_face_arrow'
SIDES = (OWN, COMPACT, LOADER, ONLINE, *CACHED, TRAINED, ARROW)

# Beam writes TFRecords with one of these.
_CHECKSUMS = ('google_crc32c', 'snappy', 'crcmod')


@dataclasses.dataclass(frozen=True)
class Task:
  """What all sides read.

  Attributes:
    mixture: Its name.
    config: Lengths, TFDS directory, and where this project's cache lies.
    vocabulary: Tokenizes.
    packing: Rows and places of a batch.
    seed: Of every shuffling.
    folder: Where sides put what they make.
  """

  mixture: str
  config: CacheConfig
  vocabulary: Vocabulary
  packing: PackingConfig
  seed: int
  folder: pathlib.Path


def unavailable(name: str) -> str | None:
  """Returns why a side cannot be measured here, None where it can."""
  has = importlib.util.find_spec
  if name in CACHED and not has('apache_beam'):
    return "needs Apache Beam: pip install '.[cache]'"
  if name in CACHED and not any(map(has, _CHECKSUMS)):
    return 'Beam writes TFRecords with google-crc32c: pip install it'
  if name in (TRAINED, ARROW) and not (has('datasets') and has('trl')):
    return 'needs datasets and trl: pip install them'
  return None


def open_side(name: str, task: Task, own: own_side.OwnSide) -> Side:
  """Makes what a side reads where it is not there, and starts the side.

  Args:
    name: One of `SIDES`.
    task: What is read.
    own: This project's side, its cache made.
  """
  shape = (task.packing.batch_rows, task.packing.pack_length)
  if name == OWN:
    return measuring.start(name, own.batches, own_side.sequence, shape)
  if name == COMPACT:
    return measuring.start(name, own.compact_batches)
  if name == LOADER:
    return measuring.start(name, own.loaded_batches)
  if name in (TRAINED, ARROW):
    from benchmarks import hugging_face_side

    side = hugging_face_side.HuggingFaceSide(
      own, task.folder / name, task.packing, task.seed
    )
    prepared = side.make_dataset()
    read = side.trained if name == TRAINED else side.arrow
    return measuring.start(
      name, read, hugging_face_side.sequence, shape, prepared
    )
  read, prepared = _open_seqio(name, task)
  from benchmarks import seqio_side

  return measuring.start(name, read, seqio_side.sequence, shape, prepared)


def _open_seqio(
  name: str, task: Task
) -> tuple[Callable[[], Iterator[Batch]], float | None]:
  """Returns what opens the batches, and the seconds that caching took."""
  from benchmarks.seqio_side import SeqioSide

  side = SeqioSide(
    task.mixture, task.config, task.vocabulary, task.packing, task.seed
  )
  if name == ONLINE:
    return side.online, None
  from benchmarks import seqio_cache

  renderings = CACHED[name]
  prepared = seqio_cache.make_cache(
    side, task.folder / 'seqio_cache', renderings
  )
  return lambda: side.cached(renderings), prepared
