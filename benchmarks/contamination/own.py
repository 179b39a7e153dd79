"""The search, in a process of its own."""

from collections.abc import Sequence
import pathlib
import time
from typing import Any

from etils import epath

from flan_jax.overlap.corpus_files import corpus_files, corpus_ranges
from flan_jax.overlap.corpus_search import in_processes, search
from flan_jax.overlap.gram_index import GramIndex

_N = 13
_GIGABYTE = 1e9


def search_file(
  folder: pathlib.Path, path: pathlib.Path, rows: Sequence[str]
) -> dict[str, Any]:
  """Searches a file for the rows; returns the rows found and what it took."""
  begin = time.perf_counter()
  index = GramIndex.of(rows, _N)
  indexed = time.perf_counter() - begin
  bytes_per_word = index.nbytes / int(index.counts.sum())
  shares = corpus_ranges(corpus_files([str(path)]))
  begin, cpu = time.perf_counter(), time.process_time()
  place = epath.Path(folder)
  hits, read = search(index, shares, place, in_processes(1), _N)
  seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
  return {
    'gigabytes': round(read / _GIGABYTE, 3),
    'seconds': round(seconds, 2),
    'gb_per_minute': round(60 * read / _GIGABYTE / seconds, 2),
    'gb_per_cpu_minute': round(60 * read / _GIGABYTE / cpu, 2),
    'seconds_to_index': round(indexed, 2),
    'index_bytes_per_word': round(bytes_per_word, 1),
    'found': sorted(hits),
  }
