"""The answers of an evaluation, kept for when it is interrupted or repeated."""

from collections.abc import Callable, Iterator, Mapping, Sequence
import json
import logging
import os
import time
from typing import Any

from flan_jax.definitions.digests import digest
from flan_jax.runtime.paths import appending, user_path, write_whole

# Seconds between writes: little is lost, and nothing waits for a disk.
_PERIOD = 10.0


class Journal:
  """Answers by their place in the queue, written to disk as they are found.

  The first line of the file identifies the evaluation; the answers of another
  one are discarded. So are lines that a kill cut short, or that are not as they
  were written: each ends with a digest. `found` maps names to answers.
  """

  def __init__(
    self,
    path: str | os.PathLike | None = None,
    key: Mapping[str, Any] | None = None,
  ):
    """Reads the answers found earlier, and drops others from the file.

    Args:
      path: The file; None keeps nothing on disk.
      key: What determines the answers (model, rows, prompts), as plain JSON.
    """
    self._path = None if path is None else user_path(path)
    self._key = json.loads(json.dumps(key))
    self._lines: list[str] = []
    self._written = time.monotonic()
    self.found: dict[str, Any] = {}
    if self._path is not None and self._path.exists():
      self.found = self._read()
    if self._path is not None:
      self._path.parent.mkdir(parents=True, exist_ok=True)
      entries = [self._key], *self.found.items()
      write_whole(self._path, ''.join(map(_line, entries)))

  def _read(self) -> dict[str, Any]:
    # What follows the last line break was not written completely.
    first, *lines = self._path.read_bytes().split(b'\n')[:-1] or [b'']
    if _parsed(first) != [self._key]:
      return {}
    entries = [entry for entry in map(_parsed, lines) if entry is not None]
    if len(entries) < len(lines):
      logging.warning(
        '%d lines of %s are damaged: what they answer is asked again',
        len(lines) - len(entries),
        self._path,
      )
    return dict(entries)

  def add(self, name: str, answer: Any) -> None:
    """Adds an answer of plain JSON types."""
    self.found[name] = answer
    if self._path is None:
      return
    self._lines.append(_line((name, answer)))
    if time.monotonic() - self._written > _PERIOD:
      self.flush()

  def flush(self) -> None:
    """Writes the answers added since the last write."""
    if self._lines:
      with appending(self._path) as file:
        file.write(''.join(self._lines))
    self._lines.clear()
    self._written = time.monotonic()

  def complete(
    self,
    kind: str,
    count: int,
    find: Callable[[Sequence[int]], Iterator[tuple[int, Any]]],
    advance: Callable[[int], None],
    numbers: Sequence[int] | None = None,
  ) -> list[Any]:
    """Returns the answers of a queue, finding and adding the missing ones.

    Args:
      kind: Name of the queue; answers are named by it and their number.
      count: Length of the queue.
      find: Maps places in the queue to (index into these, answer), unordered.
      advance: Called with the number of answers since the last call.
      numbers: The number of each answer, [count]; None for its place.
    """
    numbers = range(count) if numbers is None else numbers
    names = [f'{kind} {number}' for number in numbers]
    todo = [n for n in range(count) if names[n] not in self.found]
    advance(count - len(todo))
    for index, answer in find(todo):
      self.add(names[todo[index]], answer)
      advance(1)
    return [self.found[name] for name in names]


def _line(entry: Sequence[Any]) -> str:
  """Returns a line of the file: an entry and its digest."""
  return f'{json.dumps([*entry, digest(list(entry))])}\n'


def _parsed(line: bytes) -> list[Any] | None:
  """Returns the entry of a line; None if it is damaged."""
  try:
    *entry, written = json.loads(line)
  except (ValueError, TypeError, RecursionError):
    return None
  return entry if written == digest(entry) else None
