"""Errors of a disk without space."""

import errno
import re

_FULL = (errno.ENOSPC, errno.EDQUOT)
# Libraries in C++ pass the message on, not the number.
_WORDS = re.compile(r'No space left on device|Disk quota exceeded')

_SHOWN = 200


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
