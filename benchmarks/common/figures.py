"""Figures, and the lines of JSON that report them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import re
import statistics
import tempfile
from typing import Any


def print_line(**fields: Any) -> None:
  """Prints one line of JSON."""
  print(json.dumps(fields), flush=True)


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
