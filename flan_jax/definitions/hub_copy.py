"""A second place for the rows of a TFDS dataset: the Hugging Face hub."""

from collections.abc import Callable, Iterable, Mapping
import dataclasses
import re
from typing import Any

# A row as the `datasets` library gives it, with the names of classes.
HubRow = Mapping[str, Any]

_SLICE = re.compile(r'^\w+(?:\[(-?\d*):(-?\d*)\])?$')


@dataclasses.dataclass(frozen=True)
class HubCopy:
  """A dataset of the hub that has the rows of a TFDS dataset.

  Attributes:
    name: Its name there, OWNER/NAME.
    config: Its configuration; None if it has only one.
    splits: TFDS split -> split of the hub, where the names differ.
    fields: TFDS feature -> column of the hub, or function of its row, where
      the column has another name or form.
    expand: Function that returns the TFDS rows of a row of the hub, if there
      are several; then `fields` is not used.
  """

  name: str
  config: str | None = None
  splits: Mapping[str, str] = dataclasses.field(default_factory=dict)
  fields: Mapping[str, str | Callable[[HubRow], Any]] = dataclasses.field(
    default_factory=dict
  )
  expand: Callable[[HubRow], Iterable[dict[str, Any]]] | None = None

  def rows(self, row: HubRow) -> Iterable[dict[str, Any]]:
    """Returns the TFDS rows of a row of the hub.

    Columns that TFDS lacks are still in them.
    """
    if self.expand is not None:
      return self.expand(row)
    mapped = {
      name: row[value] if isinstance(value, str) else value(row)
      for name, value in self.fields.items()
    }
    return [{**row, **mapped}]


def rows_needed(slices: Iterable[str]) -> int | None:
  """Returns how many rows of a split its slices read.

  >>> rows_needed(['train[:30000]', 'train[-200:]'])
  30200

  Returns:
    None if that depends on the number of rows.
  """
  first, last = 0, 0
  for spec in slices:
    start, stop = _SLICE.match(spec).groups()
    if stop and int(stop) > 0:
      first = max(first, int(stop))
    elif start and int(start) < 0 and not stop:
      last = max(last, -int(start))
    else:
      return None
  return first + last
