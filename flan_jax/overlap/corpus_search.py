"""Searches a corpus for words that it shares with rows.

The corpus is streamed: memory holds the index, which all processes of a machine
share, and a block of text for each process. A worker writes what it finds in
its share of the corpus to a file, so that an interrupted search continues.
"""

from collections.abc import Callable, Sequence
import concurrent.futures
import dataclasses
import functools
import json
import multiprocessing
import signal
from typing import Any

from etils import epath
import numpy as np

from flan_jax import __version__
from flan_jax.cache.storage import write_json
from flan_jax.definitions.digests import digest
from flan_jax.overlap.corpus_blocks import read_blocks
from flan_jax.overlap.corpus_files import CorpusRange
from flan_jax.overlap.folding import fold
from flan_jax.overlap.gram_index import GramIndex


@dataclasses.dataclass(frozen=True)
class Hit:
  """Where a row shares words with the corpus first.

  Attributes:
    words: The shared words, folded.
    file: The file.
    offset: Where they begin in the uncompressed file, in bytes; in JSON Lines,
      where the line begins.
  """

  words: str
  file: str
  offset: int


@dataclasses.dataclass(frozen=True)
class SearchTask:
  """A share of the corpus to search.

  Attributes:
    folder: Folder of the search, which has the index.
    number: Number of the share.
    ranges: What is searched.
    n: Words of a window.
    key: The key of the text in JSON Lines.
  """

  folder: str
  number: int
  ranges: tuple[CorpusRange, ...]
  n: int
  key: str

  @property
  def size(self) -> int:
    """Bytes on disk."""
    return sum(one.size for one in self.ranges)

  @property
  def found(self) -> epath.Path:
    """The file that the worker writes."""
    return epath.Path(self.folder) / f'found-{self.number:06d}.json'


# Runs tasks, and calls a function when one is done.
Runner = Callable[[Sequence[SearchTask], Callable[[SearchTask], Any]], None]


def run_task(task: SearchTask) -> int:
  """Searches a share unless that is done; returns its number.

  Raises:
    UserError: a file of the corpus cannot be read.
  """
  if task.found.exists():
    return task.number
  index = _open_index(task.folder)
  done = np.zeros(len(index.starts), bool)
  hits, size = {}, 0
  for one in task.ranges:
    for block in read_blocks(one, task.n, task.key):
      size += block.size
      folded = fold(block.text)
      for match in index.matches(folded, done):
        offset = block.place(folded, match)
        hits[match.row] = dataclasses.astuple(
          Hit(match.words, one.path, offset)
        )
  write_json(task.found, {'bytes': size, 'hits': hits})
  return task.number


@functools.lru_cache(1)
def _open_index(folder: str) -> GramIndex:
  return GramIndex.load(epath.Path(folder) / 'index')


def in_processes(count: int) -> Runner:
  """Returns a function that runs tasks in some processes of this machine."""

  def run(tasks: Sequence[SearchTask], done) -> None:
    if count == 1:
      for task in tasks:
        run_task(task)
        done(task)
      return
    # A forked child would have the locks of TensorFlow's threads.
    context = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(
      count, context, _end_silently
    ) as pool:
      by_future = {pool.submit(run_task, task): task for task in tasks}
      try:
        for future in concurrent.futures.as_completed(by_future):
          future.result()
          done(by_future[future])
      except BaseException:
        pool.shutdown(cancel_futures=True)
        raise

  return run


def _end_silently() -> None:
  """Makes Ctrl-C end this worker without a traceback; the driver reports it."""
  signal.signal(signal.SIGINT, signal.SIG_DFL)


def search(
  index: GramIndex,
  shares: Sequence[Sequence[CorpusRange]],
  folder: epath.Path,
  run: Runner,
  n: int,
  key: str = 'text',
  done: Callable[[SearchTask], Any] = lambda task: None,
) -> tuple[dict[int, Hit], int]:
  """Searches a corpus for the words of indexed rows.

  Args:
    index: The rows.
    shares: The corpus, see `corpus_files.corpus_ranges`.
    folder: Holds what was found until the search is complete. All workers must
      reach it.
    run: Runs the tasks.
    n: Words of the index's windows.
    key: The key of the text in JSON Lines.
    done: Is called with every task that is done.

  Returns:
    Row -> its first hit in the order of the corpus, and the bytes of text.

  Raises:
    UserError: a file of the corpus cannot be read.
  """
  ranges = [[dataclasses.asdict(one) for one in share] for share in shares]
  name = digest([__version__, index.digest, ranges, n, key])
  place = folder / f'.search-{name}'
  if not (place / 'index').exists():
    index.save(place / 'index')
  tasks = [
    SearchTask(str(place), number, tuple(share), n, key)
    for number, share in enumerate(shares)
  ]
  run(tasks, done)
  hits, size = {}, 0
  for task in tasks:
    found = json.loads(task.found.read_text())
    size += found['bytes']
    for row, hit in found['hits'].items():
      hits.setdefault(int(row), Hit(*hit))
  place.rmtree()
  return hits, size
