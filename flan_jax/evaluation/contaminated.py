"""Test rows that pretraining may have seen."""

from collections.abc import Mapping, Sequence
import dataclasses
import os

from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.runtime.json_text import read_object


@dataclasses.dataclass(frozen=True)
class Contaminated:
  """The rows that a CONTAMINATED file names: part -> ids of its test rows."""

  path: str
  ids: Mapping[str, frozenset[str]]

  @classmethod
  def read(cls, path: str | os.PathLike) -> 'Contaminated':
    """Reads a JSON object, part -> list of ids as in `records.jsonl`.

    Raises:
      ConfigError: the file cannot be read or names an unknown part.
    """
    fix = 'make it with `flan-jax contamination`, or correct CONTAMINATED'
    found = read_object(path, ConfigError, fix)
    for part, ids in found.items():
      if part not in registry.parts():
        raise ConfigError(
          f'CONTAMINATED {path}: no subset {part!r}'
          f'{registry.nearest_name(part)}'
        )
      if not isinstance(ids, list) or {type(i) for i in ids} - {str}:
        raise ConfigError(
          f'CONTAMINATED {path}: {part} must be a list of strings, the `id`s '
          'of its rows in records.jsonl'
        )
    return cls(str(path), {part: frozenset(ids) for part, ids in found.items()})

  def of(self, part: str) -> frozenset[str]:
    """Returns the ids of a part."""
    return self.ids.get(part, frozenset())

  def check(self, parts: Sequence[EvalPart]) -> None:
    """Raises ConfigError if none of the ids of a part is one of its rows.

    Some may be missing: a small copy of a dataset does not have all rows.
    """
    for part in parts:
      listed = self.of(part.test.name)
      rows = {row['id'] for row in part.test.rows}
      if listed and not listed & rows:
        raise ConfigError(
          f'CONTAMINATED {self.path}: {part.test.name} has no test row with '
          f'any of its {len(listed)} ids, such as {min(listed)!r}; its ids '
          f'look like {min(rows, default=None)!r}'
        )
