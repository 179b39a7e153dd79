"""Which training rows precede a query as exemplars (FLAN, section 4.4)."""

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np

from flan_jax.definitions.names import MAX_SHOTS
from flan_jax.rendering.permutation import key_of, permute

# FLAN keeps exemplars and query within 960 of 1,024 input tokens.
MARGIN = 64

# Whether each row has exemplars of its own (FLAN), or all rows the same ones.
# The key then is the same for all, and `choose` passes over those of the
# query's own group.
PER_ROW, SHARED = 'per_row', 'shared'
Exemplars = Literal['per_row', 'shared']

# What texts for people have where tokens have the end token: after an input and
# after the target of an exemplar.
AFTER_INPUT, AFTER_TARGET = '\n', '\n\n'

# Candidates looked at first, beyond the exemplars wanted. More follow if some
# of them share the query's group.
_SPARE = 2


def most_tokens(lengths: Mapping[str, int]) -> int:
  """Returns the most tokens of a prompt with exemplars.

  >>> most_tokens({'inputs': 1024, 'targets': 256})
  960
  """
  return lengths['inputs'] - MARGIN


def too_few(asked: int, shown: float) -> bool:
  """Whether prompts have less than half of the exemplars asked for.

  `.fitshot` asks for as many as fit, so for one at least.

  Args:
    asked: Most exemplars of a prompt.
    shown: Exemplars of a prompt, in the mean.
  """
  return shown < (1 if asked == MAX_SHOTS else asked / 2)


def too_few_text(
  name: str, asked: int, shown: float, found: float | None = None
) -> str:
  """Returns what is wrong if exemplars are too few, and the fix.

  Args:
    name: Whose prompts they are.
    asked: Most exemplars of a prompt.
    shown: Exemplars of a prompt, in the mean.
    found: Exemplars that the training rows have for it, whether they fit or
      not, in the mean; None if that is not known.
  """
  wanted = 'as many as fit' if asked == MAX_SHOTS else asked
  longer = "raise 'inputs' of TASK_FEATURE_LENGTHS"
  more = 'bring more training rows'
  if found is None:
    fix = f'{longer}, or {more}'
  elif too_few(asked, found):
    fix = f'its training rows have {found:.1f}; {more}'
  else:
    fix = f'the others do not fit; {longer}'
  return (
    f'{name} has {shown:.1f} exemplars a prompt in the mean, of {wanted}: {fix}'
  )


def exemplar_keys(
  ids: Iterable[str], seed: int, kind: Exemplars = PER_ROW
) -> np.ndarray:
  """Returns the key of each row id that `choose` draws by, uint64 [ids].

  >>> len(set(exemplar_keys(['a', 'b'], 0).tolist()))
  2
  >>> len(set(exemplar_keys(['a', 'b'], 0, SHARED).tolist()))
  1
  """
  if kind == SHARED:
    return np.full(len(list(ids)), key_of('exemplars', seed))
  return np.array([key_of('exemplars', seed, row) for row in ids], np.uint64)


def choose(
  pool_groups: np.ndarray,
  query_groups: np.ndarray,
  query_keys: np.ndarray,
  shots: int,
) -> np.ndarray:
  """Chooses exemplars by (seed, row), never from the query's own group.

  The key permutes the pool; the first members of other groups are taken.

  >>> keys = exemplar_keys(['a'], seed=0)
  >>> choose(np.array([1, 1, 2, 3]), np.array([1]), keys, 3).tolist()
  [[2, 3, -1]]

  Args:
    pool_groups: Group of every member of the pool, [pool].
    query_groups: Group of every query, [queries].
    query_keys: From `exemplar_keys`, [queries].
    shots: Exemplars wanted.

  Returns:
    Indices into the pool, int32 [queries, shots]; -1 when there are no more.
  """
  size = len(pool_groups)
  chosen = np.full((len(query_keys), shots), -1, np.int32)
  todo, width = np.arange(len(query_keys)), min(size, shots + _SPARE)
  while todo.size and size:
    places = np.tile(np.arange(width), todo.size)
    members = permute(places, size, np.repeat(query_keys[todo], width))
    members = members.reshape(todo.size, width)
    other = pool_groups[members] != query_groups[todo][:, None]
    rank = np.cumsum(other, axis=1) - 1
    query, place = np.nonzero(other & (rank < shots))
    chosen[todo[query], rank[query, place]] = members[query, place]
    if width == size:
      break
    todo = todo[other.sum(axis=1) < shots]
    width = min(size, 4 * width)
  return chosen
