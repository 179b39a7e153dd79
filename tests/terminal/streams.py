"""Streams that are terminals, and what a person sees on them."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pyte

_ESCAPE = re.compile(r'\x1b\[[0-9;?]*[A-Za-z]')


class Terminal(io.StringIO):
  """A stream of this process that says it is a terminal."""

  def isatty(self) -> bool:
    return True

  @property
  def lines(self) -> list[str]:
    """What was written, without colours and trailing spaces."""
    text = _ESCAPE.sub('', self.getvalue())
    return [line.rstrip() for line in text.split('\n')]


def on_terminal(
  program: str, columns: int = 80, stdout=None, **environment: str
) -> tuple[list[str], bytes]:
  """Runs a Python program on a terminal of its own.

  Args:
    program: Text of the program.
    columns: Width of the terminal.
    stdout: Where standard output goes; None for the terminal.
    **environment: Changes to the environment.

  Returns:
    The lines on the screen at the end, and all bytes that were written.
  """
  ours, theirs = pty.openpty()
  size = struct.pack('HHHH', 60, columns, 0, 0)
  fcntl.ioctl(theirs, termios.TIOCSWINSZ, size)
  plain = {'NO_COLOR', 'COLUMNS', 'LINES', 'FORCE_COLOR'}
  kept = {k: v for k, v in os.environ.items() if k not in plain}
  process = subprocess.Popen(
    [sys.executable, '-c', program],
    stdin=theirs,
    stdout=stdout or theirs,
    stderr=theirs,
    env={**kept, 'TERM': 'xterm-256color', **environment},
  )
  os.close(theirs)
  written = b''
  # The terminal ends with an error when the last process closes it.
  with contextlib.suppress(OSError):
    while data := os.read(ours, 4096):
      written += data
  os.close(ours)
  assert process.wait() == 0, written.decode(errors='replace')
  screen = pyte.Screen(columns, 60)
  pyte.ByteStream(screen).feed(written)
  shown = [line.rstrip() for line in screen.display]
  while shown and not shown[-1]:
    shown.pop()
  return shown, written
