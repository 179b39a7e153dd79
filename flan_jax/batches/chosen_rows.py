"""A choice of the rows and templates of a training split, as a view."""

from collections.abc import Iterator
import dataclasses
from typing import Any

import numpy as np

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import Framing
from flan_jax.definitions.digests import digest
from flan_jax.definitions.template import evaluated
from flan_jax.errors import ConfigError
from flan_jax.rendering.permutation import key_of, permute


class ChosenRows(CachedSplit):
  """Some rows of a split, in order, under its ordinary templates."""

  def __init__(self, split: CachedSplit, rows: np.ndarray):
    """Opens the view of some rows, which `ordinary_rows` must contain."""
    self._whole = split
    self._rows = np.sort(rows)
    self.path, self.part = split.path, split.part
    self.manifest, self.span_lengths = split.manifest, split.span_lengths
    chosen = np.isin(split.renderings['row'], self._rows) & _ordinary(split)
    self._index = np.flatnonzero(chosen)
    self.renderings = split.renderings[self._index]
    self.renderings['row'] = np.searchsorted(self._rows, self.renderings['row'])
    every_row = np.arange(self.num_rows + 1)
    self.row_start = np.searchsorted(self.renderings['row'], every_row)

  @property
  def digest(self) -> str:
    return digest([self._whole.digest, self._index.tolist()])

  @property
  def num_rows(self) -> int:
    return len(self._rows)

  def prompt_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    return self._whole.prompt_parts(self._index.item(index), framing)

  def prompt_lengths(self, framing: Framing) -> np.ndarray:
    return self._whole.prompt_lengths(framing)[self._index]

  def target_parts(self, index: int, framing: Framing) -> list[np.ndarray]:
    return self._whole.target_parts(self._index.item(index), framing)

  def target_lengths(self, framing: Framing) -> np.ndarray:
    return self._whole.target_lengths(framing)[self._index]

  def span(self, index: int) -> np.ndarray:
    return self._whole.span(index)

  def read_rows(self) -> Iterator[dict[str, Any]]:
    wanted = set(self._rows.tolist())
    for number, row in enumerate(self._whole.read_rows()):
      if number in wanted:
        yield row


@dataclasses.dataclass(frozen=True)
class Division:
  """The rows of one part that train, and those held apart from training."""

  train: ChosenRows
  held_apart: ChosenRows


def divide(
  split: CachedSplit, train_rows: int | None, held_apart: int, seed: int
) -> Division:
  """Chooses training rows, and others that are held apart from training.

  The seed orders the groups of rows. The rows held apart come first, and no row
  of their groups is trained on. Classes take turns in both choices, as far as
  they have rows.

  Args:
    split: A training split.
    train_rows: Number of training rows; None for all that are left.
    held_apart: Number of rows held apart.
    seed: Decides the choice.

  Raises:
    ConfigError: The split has too few rows.
  """
  rows = np.flatnonzero(
    np.bincount(split.renderings['row'][_ordinary(split)], minlength=1)
  )
  about = list(split.read_rows())
  groups = np.array([int(about[row]['group'], 16) for row in rows], np.uint64)
  classes = np.array([about[row]['class'] for row in rows])
  order = _order(groups, split.name, seed)
  apart = _in_turns(order, classes)[:held_apart]
  left = order[~np.isin(groups[order], groups[apart])]
  train = _in_turns(left, classes)[:train_rows]
  if len(apart) < held_apart or len(train) < (train_rows or 1):
    raise ConfigError(
      f'{split.name} has {len(rows)} training rows, too few for {held_apart} '
      f'held apart (PROMPT_DEV_ROWS) and {train_rows or "any"} of other groups '
      'to train on (PROMPT_TRAIN_ROWS): lower these settings'
    )
  return Division(
    ChosenRows(split, rows[train]), ChosenRows(split, rows[apart])
  )


def _ordinary(split: CachedSplit) -> np.ndarray:
  """Returns whether each rendering's template is not inverted."""
  return np.isin(split.renderings['template'], evaluated(split.part.templates))


def _order(groups: np.ndarray, name: str, seed: int) -> np.ndarray:
  """Orders rows by a permutation of their groups, [rows]."""
  found, number = np.unique(groups, return_inverse=True)
  place = permute(
    np.arange(len(found)), len(found), key_of(seed, name, 'held apart')
  )
  return np.argsort(place[number], kind='stable')


def _in_turns(order: np.ndarray, classes: np.ndarray) -> np.ndarray:
  """Orders rows so that their classes take turns.

  >>> _in_turns(np.array([0, 1, 2, 3]), np.array([5, 5, 5, 7])).tolist()
  [0, 3, 1, 2]
  """
  turn = np.zeros(len(order), int)
  for one in np.unique(classes):
    members = classes[order] == one
    turn[members] = np.arange(members.sum())
  return order[np.argsort(turn, kind='stable')]
