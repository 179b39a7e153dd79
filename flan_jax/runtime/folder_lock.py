"""A lock on a folder, so that two runs do not write into it.

The lock is a file that names its owner. The owner rewrites it every few
seconds, so that a lock whose owner died can be told from one that is held, on
any file system and without comparing clocks.
"""

from collections.abc import Iterator, Mapping
import contextlib
import datetime
import json
import os
import pathlib
import socket
import threading
import time
from typing import Any
import uuid

from etils import epath

from flan_jax.errors import UserError
from flan_jax.runtime.paths import is_local, user_path
from flan_jax.runtime.process_life import started
from flan_jax.terminal.screen import note

LOCK = 'run.lock'
# Seconds between two heartbeats, and without one until the owner is dead.
_PERIOD = 10.0
_DEAD = 60.0
# So old a heartbeat is not a matter of clocks that differ.
_LONG_DEAD = 3600.0
# Seconds until a write to a bucket, or a second taker's, is seen by others.
_SETTLE = 1.0


class LockedError(UserError):
  """Another run holds the folder."""


class FolderLock:
  """Holds a folder; one process of a run takes it for all of them."""

  def __init__(self, folder: str | os.PathLike):
    self._folder = user_path(folder)
    self._path = self._folder / LOCK
    self._me = _identity()
    self._made: list[epath.Path] = []
    self._released = threading.Event()
    self._lost: UserError | None = None
    self._heart = threading.Thread(target=self._beat, daemon=True)

  def take(self) -> None:
    """Takes the folder, which is made if it is missing.

    A lock whose owner is dead is taken over. Whether an owner on another
    machine is dead shows after a minute.

    Raises:
      LockedError: Another run holds it.
    """
    folder = self._folder
    # A bucket has no folders to make and to remove.
    while is_local(folder) and not folder.exists():
      self._made.append(folder)
      folder = folder.parent
    self._folder.mkdir(parents=True, exist_ok=True)
    while not self._create():
      owner = _read(self._path)
      if owner is None or not self._outlives(owner):
        continue  # It was released just now.
      note(
        f'taking over {self._folder} from process {owner.get("pid")} on '
        f'{owner.get("host")}, which is dead'
      )
      self._write()
      time.sleep(_SETTLE)
      self._check_mine()
      break
    self._heart.start()

  def check(self) -> None:
    """Raises LockedError if another run has taken the folder over."""
    if self._lost is not None:
      raise self._lost

  def release(self) -> None:
    """Gives the folder back, and removes it if it was made for nothing."""
    self._released.set()
    if self._heart.is_alive():
      self._heart.join()
    owner = _read(self._path)
    if owner is not None and owner.get('token') == self._me['token']:
      self._path.unlink(missing_ok=True)
    for folder in self._made:
      # A folder that is not empty, or gone, is left as it is.
      with contextlib.suppress(OSError):
        if not any(folder.iterdir()):
          folder.rmdir()

  def _create(self) -> bool:
    """Writes the lock and returns True, unless there is one."""
    if not is_local(self._path):
      if self._path.exists():
        return False
      self._write()
      time.sleep(_SETTLE)
      self._check_mine()
      return True
    whole = pathlib.Path(f'{self._path}.{self._me["token"]}')
    whole.write_text(self._text(), encoding='utf-8')
    try:
      # Atomic and complete at once, on network file systems too.
      os.link(whole, self._path)
    except FileExistsError:
      return False
    finally:
      whole.unlink()
    return True

  def _outlives(self, owner: Mapping[str, Any]) -> bool:
    """Returns whether the owner is dead, False if it released the lock.

    Raises:
      LockedError: It is alive.
    """
    me = self._me
    if owner.get('host') == me['host'] and owner.get('space') == me['space']:
      if started(owner.get('pid')) == owner.get('process_start'):
        raise self._held_by(owner)
      return True
    beat = owner.get('heartbeat')
    if isinstance(beat, float) and time.time() - beat > _LONG_DEAD:
      return True
    note(
      f'{self._path} is of process {owner.get("pid")} on {owner.get("host")}: '
      f'waiting up to {_DEAD:.0f} s for a sign of life'
    )
    deadline = time.monotonic() + _DEAD
    while time.monotonic() < deadline:
      time.sleep(_SETTLE)
      now = _read(self._path)
      if now is None:
        return False
      if now != owner:
        raise self._held_by(now)
    return True

  def _check_mine(self) -> None:
    owner = _read(self._path)
    if owner is None or owner.get('token') != self._me['token']:
      raise self._held_by(owner or {})

  def _held_by(self, owner: Mapping[str, Any]) -> LockedError:
    return LockedError(
      f'{self._folder} is in use by process {owner.get("pid")} on '
      f'{owner.get("host")} since {owner.get("since")}: wait for it, use '
      f'another MODEL_DIR, or, if it is dead, remove {self._path}'
    )

  def _beat(self) -> None:
    """Rewrites the lock until it is released or lost."""
    while not self._released.wait(_PERIOD):
      try:
        self._check_mine()
        self._write()
      except LockedError as lost:
        self._lost = lost
        return
      # A full disk, or a network that is down for a moment, of which a bucket's
      # library raises errors of several types. The next beat tries again, and
      # others wait longer than one beat.
      except Exception:
        continue

  def _write(self) -> None:
    text = self._text()
    if not is_local(self._path):
      self._path.write_text(text)
      return
    whole = pathlib.Path(f'{self._path}.{self._me["token"]}')
    whole.write_text(text, encoding='utf-8')
    whole.replace(self._path)

  def _text(self) -> str:
    return json.dumps({**self._me, 'heartbeat': time.time()})


@contextlib.contextmanager
def held(folder: str | os.PathLike) -> Iterator[FolderLock]:
  """Holds a folder in this context.

  Raises:
    LockedError: Another run holds it.
  """
  lock = FolderLock(folder)
  try:
    lock.take()
    yield lock
  finally:
    lock.release()


def _identity() -> dict[str, Any]:
  """Returns what tells this process from all others."""
  now = datetime.datetime.now(datetime.UTC)
  return {
    'host': socket.gethostname(),
    # Containers of one host may share its name but not its process numbers.
    'space': _space(),
    'pid': os.getpid(),
    'process_start': started(os.getpid()),
    'since': f'{now:%Y-%m-%d %H:%M:%S} UTC',
    'token': uuid.uuid4().hex,
  }


def _space() -> str:
  try:
    return os.readlink('/proc/self/ns/pid')
  except OSError:
    return ''


def _read(path: epath.Path) -> dict[str, Any] | None:
  """Returns what a lock says; None if there is none, {} if it is damaged."""
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except FileNotFoundError:
    return None
  except ValueError:
    return {}
  return found if isinstance(found, dict) else {}
