"""What an evaluation has found, kept for when it is broken off or repeated."""

from collections.abc import Mapping
import json
import os
import pathlib
import time
from typing import Any

# Seconds between writes: little is lost, and nothing waits for a disk.
_PERIOD = 10.0


class Journal:
  """Answers by their place in the queue, on disk as they are found.

  The first line of the file says what is evaluated; answers of another
  evaluation are thrown away. A line that a kill cut short is left out.

  Attributes:
    found: Answer by name.
  """

  def __init__(
    self,
    path: str | os.PathLike | None = None,
    key: Mapping[str, Any] | None = None,
    writes: bool = True,
  ):
    """Reads what is there.

    Args:
      path: The file; None: nothing is kept.
      key: What decides the answers: model, rows, prompts. Plain JSON types.
      writes: False on all processes but one; they only read.
    """
    self._path = None if path is None else pathlib.Path(path)
    self._key = json.loads(json.dumps(key))
    self._writes = writes and path is not None
    self._lines: list[str] = []
    self._written = time.monotonic()
    self.found: dict[str, Any] = {}
    if self._path is not None and self._path.exists():
      self.found = self._read()

  def _read(self) -> dict[str, Any]:
    lines = self._path.read_bytes().split(b'\n')
    # What follows the last line break was not written to its end.
    entries = [json.loads(line) for line in lines[:-1]]
    if not entries or entries[0] != self._key:
      return {}
    return dict(entries[1:])

  def start(self) -> None:
    """Begins the file anew: without what was cut, or another evaluation's."""
    if not self._writes:
      return
    self._path.parent.mkdir(parents=True, exist_ok=True)
    entries = [self._key, *self.found.items()]
    temporary = self._path.with_name(f'.{self._path.name}.writing')
    temporary.write_text(''.join(f'{json.dumps(e)}\n' for e in entries))
    os.replace(temporary, self._path)

  def add(self, name: str, answer: Any) -> None:
    """Notes an answer, of plain JSON types."""
    self.found[name] = answer
    if not self._writes:
      return
    self._lines.append(f'{json.dumps([name, answer])}\n')
    if time.monotonic() - self._written > _PERIOD:
      self.flush()

  def flush(self) -> None:
    """Writes what was noted since last."""
    if self._lines:
      with self._path.open('a', encoding='utf-8') as file:
        file.write(''.join(self._lines))
    self._lines.clear()
    self._written = time.monotonic()
