"""How long examples are, and how many are rendered from one row."""

import numpy as np

# The most tokens of one example, separators and end tokens included; FLAN's.
DEFAULT_LENGTHS = {'inputs': 1024, 'targets': 256}


def renderings_of(rows: int) -> int:
  """Returns how many renderings a training row gets: clip(30,000/rows, 1, 10).

  >>> renderings_of(2290), renderings_of(5000), renderings_of(30000)
  (10, 6, 1)
  """
  return int(np.clip(30_000 // max(rows, 1), 1, 10))
