"""Requests: the renderings of a split that a model is asked to answer."""

from collections.abc import Mapping, Sequence
import dataclasses
import hashlib
from typing import Any

import numpy as np

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.packing import Example
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.rendering.permutation import key_of, permute


@dataclasses.dataclass(frozen=True)
class Request:
  """One rendering of a split, as an example to score or a prompt to continue.

  Attributes:
    split: The split.
    rendering: Index of the rendering.
    example: The prompt and its options; for free text, the gold answer alone.
    ended: Which targets have an end token.
    framing: The tokens around the input.
  """

  split: CachedSplit
  rendering: int
  example: Example
  ended: tuple[bool, ...]
  framing: Framing

  @property
  def row_index(self) -> int:
    return int(self.split.renderings[self.rendering]['row'])

  @property
  def row(self) -> Mapping[str, Any]:
    return self.split.rows[self.row_index]

  @property
  def template(self) -> int:
    return int(self.split.renderings[self.rendering]['template'])

  @property
  def ranked(self) -> bool:
    return 'correct' in self.row

  @property
  def option_texts(self) -> list[str]:
    """The words of the options."""
    choices = self.split.part.choices
    return list(choices.values()) if choices else list(self.row['options'])

  def options_written(self, text: str) -> list[int]:
    """Returns the options equal to a text up to case, spaces, full stop."""
    return equal_options(self.option_texts, text)

  def about(self, target: Sequence[int]) -> dict[str, Any]:
    """Returns the fields of a record that identify the request and a target."""
    split, row = self.split, self.row
    shots = 0
    if isinstance(split, FewShotSplit):
      shots = len(split.exemplars(self.rendering))
    return {
      'dataset': split.manifest['dataset'],
      'part': split.name,
      'format': split.manifest['format'],
      'template_set': split.manifest['template_set'],
      'split': split.manifest['split'],
      'template': self.template,
      'shots': shots,
      'id': row['id'],
      'group': row['group'],
      'prompt_hash': _hash(self.example.prompt),
      'target_hash': _hash(target),
    }


def row_order(split: CachedSplit) -> np.ndarray:
  """Returns rows in the order in which a limit takes them, int64 [rows]."""
  rows = np.arange(split.num_rows)
  return permute(rows, split.num_rows, key_of(split.name))


def requests(
  split: CachedSplit,
  framing: Framing,
  templates: Sequence[int] | None = None,
  max_rows: int | None = None,
) -> list[Request]:
  """Returns the renderings of a split to score, in the split's order.

  Args:
    split: An evaluation split.
    framing: The tokens around an input.
    templates: Templates to use; None for all.
    max_rows: Most rows; None for all. Every run picks the same.
  """
  chosen = set(row_order(split)[:max_rows].tolist())
  found = []
  for index, rendering in enumerate(split.renderings):
    if int(rendering['row']) not in chosen:
      continue
    if templates is not None and int(rendering['template']) not in templates:
      continue
    found.append(request_of(split, index, framing))
  return found


def request_of(split: CachedSplit, index: int, framing: Framing) -> Request:
  """Returns one rendering of an evaluation split, by its index."""
  limit = split.manifest['lengths']['targets']
  _, *options = split.spans(split.renderings[index])
  ended = tuple(len(option) < limit for option in options)
  targets = tuple(
    framing.target(option[:limit], cut=not end)
    for option, end in zip(options, ended, strict=True)
  )
  example = Example(split.prompt(index, framing), targets)
  return Request(split, index, example, ended, framing)


def equal_options(options: Sequence[str], text: str) -> list[int]:
  """Returns the options equal to a text up to case, spaces, full stop."""
  bare = _bare(text)
  return [n for n, option in enumerate(options) if _bare(option) == bare]


def _bare(text: str) -> str:
  return ' '.join(text.casefold().split()).removesuffix('.')


def _hash(tokens: Sequence[int]) -> str:
  data = np.asarray(tokens, '<i4').tobytes()
  return hashlib.sha256(data).hexdigest()[:16]
