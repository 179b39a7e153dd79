"""The last line of `growth`, and its table."""

from collections.abc import Iterator, Mapping, Sequence
import math
from typing import Any

COSTS = ('seconds', 'cpu_seconds', 'peak_mib')
_HEADER = ('size', 'seconds', 'CPU seconds', 'peak MiB')


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float | None:
  """Returns the slope of a line through (log size, log cost).

  It is 0 if the cost does not depend on the size, and 1 if it is proportional
  to it; None if there are fewer than two sizes, or a cost is 0.

  >>> exponent([10, 100, 1000], [5, 50, 500])
  1.0

  Args:
    sizes: Sizes that differ.
    costs: The cost of each.
  """
  if len(sizes) < 2 or min(costs) <= 0:
    return None
  logs = [[math.log(value) for value in values] for values in (sizes, costs)]
  means = [sum(values) / len(values) for values in logs]
  x, y = ([v - mean for v in vs] for vs, mean in zip(logs, means, strict=True))
  products = sum(a * b for a, b in zip(x, y, strict=True))
  return round(products / sum(a * a for a in x), 2)


def summary(
  measured: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, Any]:
  """Returns the costs at each size, and how they grow.

  Args:
    measured: What was done -> a dictionary for each size, with `size` and
      `COSTS`.
  """
  growth = {
    f'{cost}_exponent': {
      name: exponent([at['size'] for at in sizes], [at[cost] for at in sizes])
      for name, sizes in measured.items()
    }
    for cost in COSTS
  }
  return {**growth, 'measured': measured}


def table(result: Mapping[str, Any]) -> Iterator[str]:
  """Yields the lines of a Markdown table of what `summary` returned."""
  yield f'| what | {" | ".join(_HEADER)} |'
  yield f'|---|{"---:|" * len(_HEADER)}'
  for name, sizes in result['measured'].items():
    for at in sizes:
      cells = [f'{at["size"]:,}', *(f'{at[cost]:,}' for cost in COSTS)]
      yield f'| {result["units"][name]} | {" | ".join(cells)} |'
    exponents = [result[f'{cost}_exponent'][name] for cost in COSTS]
    cells = ['-' if found is None else f'{found:.2f}' for found in exponents]
    yield f'| | exponent | {" | ".join(cells)} |'
