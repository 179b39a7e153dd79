"""Which values the annotations of settings take, and how a refusal reads."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Literal

import numpy as np
import pytest

from flan_jax.errors import ConfigError
from flan_jax.setting_types import (
  Count,
  CountOrZero,
  Name,
  Names,
  NotNegative,
  Path,
  Positive,
  Seed,
  Text,
  check,
  check_fields,
  words_for,
)

_NAN, _INFINITE = float('nan'), 1e400


@pytest.mark.parametrize(
  'kind, taken, refused',
  [
    (bool, (True, False), ('maybe', 1, 0, None)),
    (int, (-(2**63), 0, np.int64(3)), (True, 1.5, _NAN, '1', 2**63, None)),
    (Count, (1, 2**31 - 1), (0, -1, 2**31, 1.0, True, [1])),
    (CountOrZero, (0, 1), (-1, '0')),
    (Seed, (0, 2**32 - 1), (-1, 2**32)),
    (float, (1, 1.5, np.float32(2)), (_NAN, _INFINITE, True, '1', 10**400)),
    (Positive, (1e-9, 3), (0, -1.0)),
    (NotNegative, (0, 0.5), (-1e-9,)),
    (str, ('', 'a\n'), (3, None, b'a', '\ud800')),
    (Text, ('a', '\n'), ('', 3)),
    (
      Path,
      ('a b', '~/x', 'gs://b/x'),
      ('', ' ', 'a\0b', 'a\nb', ['a'], 'a' * 256),
    ),
    (Name, ('rte',), ('', ['rte'], 'r\nte')),
    (Name | Names, ('rte', ['rte'], ('rte', 'cb')), ([], None, [''], [['a']])),
    (Count | None, (None, 1), (0, 'None')),
    (Literal['a', 'b'], ('a', 'b'), ('c', None, ['a'])),
    (Sequence[Count], ([], [1], (2, 3)), ([0], '12', 1)),
    (Mapping[str, Count], ({}, {'a': 1}), ({'a': 0}, {1: 1}, [])),
  ],
)
def test_values_are_taken_or_refused(kind, taken, refused):
  for value in taken:
    check('X', kind, value)
  for value in refused:
    with pytest.raises(ConfigError, match=r'^X is '):
      check('X', kind, value)


@pytest.mark.parametrize(
  'kind, value, message',
  [
    (Count, 0, 'X is 0: it must be an integer of at least 1'),
    (Count, 2**40, 'X is 1099511627776: it must be an integer below 2**31'),
    (
      Count | None,
      'x',
      "X is 'x': it must be an integer of at least 1, or None",
    ),
    (Literal['a', 'b'], 3, "X is 3: it must be 'a' or 'b'"),
    (bool, 1, 'X is 1: it must be True or False'),
  ],
)
def test_a_refusal_says_what_is_allowed(kind, value, message):
  with pytest.raises(ConfigError) as error:
    check('X', kind, value)
  assert str(error.value) == message


def test_a_long_value_is_shown_in_one_short_line():
  with pytest.raises(ConfigError) as error:
    check('X', Count, 'a\n' * 100_000)
  assert len(str(error.value)) < 200 and '\n' not in str(error.value)


def test_words_name_all_alternatives():
  assert words_for(Path | None) == 'a path, or None'
  assert words_for(Sequence[bool]) == 'a list, each item True or False'


def test_fields_of_a_dataclass_are_checked_against_their_annotations():
  @dataclasses.dataclass(frozen=True)
  class Settings:
    rows: Count = 1
    name: str | None = None

    def __post_init__(self):
      check_fields(self)

  assert Settings(2, 'a').rows == 2
  with pytest.raises(ConfigError, match=r'Settings\.rows is 0: it must be'):
    Settings(0)
