"""Processes wait for each other before JAX connects them.

JAX waits in silence and then aborts the process. Here, the first process
listens at the coordinator's address until all others have connected to it, and
every process says what it waits for. Then the address is free for JAX.
"""

from collections.abc import Callable
import contextlib
import dataclasses
import json
import selectors
import socket
import time

from flan_jax.errors import UserError

# Seconds between two lines that say what is waited for, and between two tries.
_NOTICE = 15.0
_RETRY = 0.5
# Seconds that one who connects has to say who it is.
_GREETING = 1.0
_GO = b'go\n'
# The longest message.
_BYTES = 4096


class RendezvousError(UserError):
  """Processes that do not find each other, or do not belong together."""


@dataclasses.dataclass(frozen=True)
class Meeting:
  """Where processes meet.

  Attributes:
    address: HOST:PORT of the first process.
    count: Number of processes.
    index: Index of this process, from 0.
    timeout: Seconds to wait.
  """

  address: str
  count: int
  index: int
  timeout: float = 300.0

  def __post_init__(self):
    host, _, port = self.address.rpartition(':')
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
      raise RendezvousError(
        f'--coordinator_address must be HOST:PORT, not {self.address!r}'
      )
    if self.count < 1 or not 0 <= self.index < self.count:
      raise RendezvousError(
        f'--process_index {self.index} is not from 0 to --process_count '
        f'{self.count} less 1'
      )
    if self.timeout <= 0:
      raise RendezvousError(
        f'--coordinator_timeout must be positive, not {self.timeout:g}'
      )

  @property
  def place(self) -> tuple[str, int]:
    """Host and port."""
    host, _, port = self.address.rpartition(':')
    return host.strip('[]'), int(port)


def meet(meeting: Meeting, say: Callable[[str], None]) -> None:
  """Returns once all processes are here.

  Args:
    meeting: Where.
    say: Called with a line, now and then, that says what is waited for.

  Raises:
    RendezvousError: A process is missing after the time, or has a wrong index
      or count, or the port is taken.
  """
  clock = _Clock(meeting, say)
  if meeting.index == 0:
    _gather(meeting, clock)
  else:
    _join(meeting, clock)


class _Clock:
  """The time that a process waits, and says so."""

  def __init__(self, meeting: Meeting, say: Callable[[str], None]):
    self._meeting, self._say = meeting, say
    self._began = self._said = time.monotonic()

  @property
  def left(self) -> float:
    return self._began + self._meeting.timeout - time.monotonic()

  def tick(self, what: str) -> None:
    """Says what is waited for, if it is time to."""
    now = time.monotonic()
    if now - self._said >= _NOTICE:
      self._said = now
      meeting = self._meeting
      self._say(
        f'waiting for {what} at {meeting.address} ({now - self._began:.0f} s '
        f'of {meeting.timeout:g})'
      )


def _gather(meeting: Meeting, clock: _Clock) -> None:
  """Waits for all others, as the first process."""
  joined: dict[int, socket.socket] = {}
  with contextlib.ExitStack() as opened, selectors.DefaultSelector() as ready:
    listening = opened.enter_context(_listen(meeting))
    ready.register(listening, selectors.EVENT_READ)
    try:
      while len(joined) < meeting.count - 1:
        missing = meeting.count - 1 - len(joined)
        clock.tick(f'{missing} of {meeting.count} processes')
        if clock.left <= 0:
          raise RendezvousError(_missing(meeting, joined))
        for key, _ in ready.select(min(_RETRY, max(clock.left, 0))):
          if key.fileobj is listening:
            connection = opened.enter_context(listening.accept()[0])
            connection.settimeout(_GREETING)
            index = _greeting(meeting, connection, joined)
            if index is not None:
              joined[index] = connection
              ready.register(connection, selectors.EVENT_READ, index)
          else:
            # One that waits sends nothing more: it has gone.
            ready.unregister(key.fileobj)
            joined.pop(key.data).close()
    except RendezvousError as error:
      _tell(joined.values(), f'{error}\n'.encode())
      raise
    _tell(joined.values(), _GO)


def _listen(meeting: Meeting) -> socket.socket:
  dual = socket.has_dualstack_ipv6()
  family = socket.AF_INET6 if dual else socket.AF_INET
  try:
    return socket.create_server(
      ('', meeting.place[1]), family=family, dualstack_ipv6=dual
    )
  except OSError as error:
    raise RendezvousError(
      f'cannot listen at {meeting.address}: {error}; choose another port in '
      '--coordinator_address'
    ) from error


def _missing(meeting: Meeting, joined: dict[int, socket.socket]) -> str:
  names = [str(i) for i in range(1, meeting.count) if i not in joined]
  shown = ', '.join(names[:8]) + (', …' if len(names) > 8 else '')
  return (
    f'{len(names)} of {meeting.count} processes ({shown}) did not come to '
    f'{meeting.address} in {meeting.timeout:g} s: start them, or raise '
    '--coordinator_timeout'
  )


def _greeting(
  meeting: Meeting, connection: socket.socket, joined: dict[int, socket.socket]
) -> int | None:
  """Returns the index of who has connected; None for a stranger."""
  try:
    index, count = json.loads(_line(connection))
  except (OSError, ValueError, TypeError):
    connection.close()
    return None
  problem = None
  if count != meeting.count:
    problem = (
      f'process {index} has --process_count {count}, and process 0 has '
      f'{meeting.count}: start all with the same'
    )
  elif index in joined or index == 0:
    problem = f'two processes have --process_index {index}: give each its own'
  if problem is not None:
    _tell([connection], f'{problem}\n'.encode())
    raise RendezvousError(problem)
  return index


def _join(meeting: Meeting, clock: _Clock) -> None:
  """Waits for the first process to say that all are here."""
  while True:
    clock.tick('process 0')
    if clock.left <= 0:
      raise RendezvousError(
        f'process 0 does not answer at {meeting.address} in '
        f'{meeting.timeout:g} s: start it, correct --coordinator_address, or '
        'raise --coordinator_timeout'
      )
    answer = b''
    # Not yet started, not yet known by name, or killed while this one waits.
    with contextlib.suppress(OSError):
      answer = _ask(meeting, clock)
    if answer == _GO:
      return
    if answer:
      raise RendezvousError(answer.decode(errors='replace').strip())
    time.sleep(min(_RETRY, max(clock.left, 0)))


def _ask(meeting: Meeting, clock: _Clock) -> bytes:
  """Connects to the first process and returns its answer; b'' for none."""
  seconds = max(min(clock.left, 5.0), 0.1)
  with socket.create_connection(meeting.place, timeout=seconds) as connection:
    greeting = json.dumps([meeting.index, meeting.count])
    connection.sendall(f'{greeting}\n'.encode())
    connection.settimeout(_RETRY)
    # It gives up by itself, a little later than this one would.
    while clock.left > -2 * _RETRY:
      try:
        return _line(connection)
      except TimeoutError:
        clock.tick(f'others of {meeting.count} processes')
  return b''


def _line(connection: socket.socket) -> bytes:
  """Returns the line that a connection sends; b'' if it sends none and ends."""
  text = b''
  while len(text) < _BYTES:
    more = connection.recv(_BYTES)
    text += more
    if text.endswith(b'\n'):
      return text
    if not more:
      break
  return b''


def _tell(connections, text: bytes) -> None:
  for connection in connections:
    # One that has gone cannot be told.
    with contextlib.suppress(OSError):
      connection.sendall(text)
      connection.shutdown(socket.SHUT_WR)
