"""Which test rows pretraining may have seen, as a file says."""

from collections.abc import Mapping, Sequence
import json
import pathlib

from flan_jax.definitions import registry
from flan_jax.evaluation.requests import EvalPart


def read_contaminated(path: str | None) -> dict[str, frozenset[str]] | None:
  """Returns part -> ids of its rows; None where there is no file.

  Args:
    path: JSON file of one object, part -> list of ids, as `id` in records.

  Raises:
    ValueError: the file is missing, or not of this form.
    UnknownNameError: it names a part that there is not.
  """
  if path is None:
    return None
  path = pathlib.Path(path).expanduser()
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except OSError as error:
    raise ValueError(f'CONTAMINATED {path}: {error.strerror}') from error
  except ValueError as error:
    raise ValueError(f'CONTAMINATED {path} is not JSON: {error}') from error
  if not isinstance(found, dict):
    raise ValueError(f'CONTAMINATED {path}: must hold one object, part -> ids')
  for part, ids in found.items():
    registry.find_part(part)
    if not isinstance(ids, list) or not all(isinstance(i, str) for i in ids):
      raise ValueError(
        f'CONTAMINATED {path}: {part} must be a list of row ids in quotes, as '
        '`id` in records.jsonl'
      )
  return {part: frozenset(ids) for part, ids in found.items()}


def check_ids(
  path: str | None,
  contaminated: Mapping[str, frozenset[str]] | None,
  parts: Sequence[EvalPart],
) -> None:
  """Raises ValueError where no id of an evaluated part is one of its rows.

  A smaller copy of a dataset need not have all rows that are listed.
  """
  for part in parts:
    listed = (contaminated or {}).get(part.test.name, frozenset())
    rows = {row['id'] for row in part.test.rows}
    if listed and not listed & rows:
      raise ValueError(
        f'CONTAMINATED {path}: none of the {len(listed)} ids of '
        f'{part.test.name}, as {min(listed)!r}, is among its test rows, as '
        f'{min(rows, default=None)!r}'
      )
