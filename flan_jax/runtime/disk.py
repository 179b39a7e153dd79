"""Errors of disks: no space, or a path that the file system refuses."""

import errno
import re

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Libraries in C++ pass the message on, not the number.
_WORDS = re.compile(r'No space left on device|Disk quota exceeded')

_SHOWN = 200
# What a file system has against a path that a user chose.
_REFUSED = (
  errno.EACCES,
  errno.EEXIST,
  errno.EISDIR,
  errno.ELOOP,
  errno.ENAMETOOLONG,
  errno.ENOTDIR,
  errno.EPERM,
  errno.EROFS,
)


def problem(error: BaseException) -> str | None:
  """Returns a message if a user can mend what raised an error, else None."""
  if place := full(error):
    return (
      f'there is no space left ({place}): free some, and run the same command '
      'again'
    )
  refused = isinstance(error, OSError) and error.errno in _REFUSED
  if refused and error.filename is not None:
    return f'{error.filename}: {error.strerror}; choose another path'
  return None


def full(error: BaseException) -> str | None:
  """Returns what says that a disk is full: an error, or one that caused it.

  None if none does. The text is one short line, with the file if it is known.
  """
  seen: set[int] = set()
  cause: BaseException | None = error
  while cause is not None and id(cause) not in seen:
    seen.add(id(cause))
    text = ' '.join(str(cause).split())
    by_number = isinstance(cause, OSError) and cause.errno in _FULL
    if by_number or _WORDS.search(text):
      return text if len(text) <= _SHOWN else f'{text[:_SHOWN]}…'
    cause = cause.__cause__ or cause.__context__
  return None
