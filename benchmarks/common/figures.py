"""Figures, and the lines of JSON that report them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import shlex
import statistics
import sys
import tempfile
from typing import Any


def print_line(**fields: Any) -> None:
  """Prints one line of JSON."""
  print(json.dumps(fields), flush=True)


def finish(out: str | None, **fields: Any) -> None:
  """Prints the last line, and writes it to a file if one is named.

  Args:
    out: The file, which also gets the date and the command.
    **fields: Figures, and the `versions` of what they depend on. Those of
      `machine` are added.
  """
  fields |= machine()
  print_line(**fields)
  if out is None:
    return
  path = pathlib.Path(out).expanduser()
  path.parent.mkdir(parents=True, exist_ok=True)
  now = datetime.datetime.now(datetime.UTC)
  about = {
    'date': now.isoformat(timespec='seconds'),
    'command': shlex.join(['python', '-m', *_command()]),
  }
  path.write_text(f'{json.dumps({**about, **fields}, indent=1)}\n')


def _command() -> list[str]:
  """Returns the module that runs, and its flags."""
  module = sys.modules['__main__'].__spec__
  name = module.name.removesuffix('.__main__') if module else sys.argv[0]
  return [name, *sys.argv[1:]]


def spread(values: Sequence[float]) -> dict[str, float] | None:
  """Returns median, quartiles and extremes to four digits; None of nothing."""
  if not values:
    return None
  values = [*values, *values] if len(values) == 1 else values
  q1, median, q3 = statistics.quantiles(values, n=4, method='inclusive')
  figures = (median, q1, q3, min(values), max(values))
  names = ('median', 'q1', 'q3', 'min', 'max')
  return {
    name: float(f'{value:.4g}')
    for name, value in zip(names, figures, strict=True)
  }


def median(figure: Mapping[str, float] | None) -> float | None:
  """Returns the median of a spread, None of None."""
  return figure and figure['median']


def machine() -> dict[str, Any]:
  """Returns what the figures depend on besides the code."""
  info = pathlib.Path('/proc/cpuinfo')
  name = info.exists() and re.search(r'model name\s*: (.*)', info.read_text())
  return {
    'cores': len(os.sched_getaffinity(0)),
    'processor': name[1] if name else platform.processor(),
    'python': platform.python_version(),
    'load': [round(load, 2) for load in os.getloadavg()],
  }


def versions(packages: Iterable[str]) -> dict[str, str | None]:
  """Returns the versions of packages, None where one is not installed."""
  found = dict.fromkeys(packages)
  for name in found:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      found[name] = importlib.metadata.version(name)
  return found


@contextlib.contextmanager
def work_folder(named: str | None, prefix: str) -> Iterator[pathlib.Path]:
  """Yields the folder that the user named, or a temporary one."""
  with tempfile.TemporaryDirectory(prefix=f'{prefix}_') as temporary:
    folder = pathlib.Path(named or temporary).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
