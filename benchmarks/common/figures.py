"""Figures, and the lines of JSON that report them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
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
  figures = {
    'median': median,
    'q1': q1,
    'q3': q3,
    'min': min(values),
    'max': max(values),
  }
  return {name: float(f'{value:.4g}') for name, value in figures.items()}


def median(figure: Mapping[str, float] | None) -> float | None:
  """Returns the median of a spread, None of None."""
  return figure and figure['median']


def machine() -> dict[str, Any]:
  """Returns what the figures depend on besides the code."""
  return {
    'cores': len(os.sched_getaffinity(0)),
    'processor': _processor(),
    'python': platform.python_version(),
    'load': [round(load, 2) for load in os.getloadavg()],
  }


def _processor() -> str:
  info = pathlib.Path('/proc/cpuinfo')
  if info.exists():
    for line in info.read_text().splitlines():
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  return platform.processor()


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
  with contextlib.ExitStack() as stack:
    folder = named or stack.enter_context(
      tempfile.TemporaryDirectory(prefix=f'{prefix}_')
    )
    folder = pathlib.Path(folder).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
