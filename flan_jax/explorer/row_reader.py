"""Rows of a part under its templates, cut into pieces; uses TensorFlow.

The rows, their templates and their exemplars are those of `flan-jax inspect`.
All formats read the rows once, because starting to read takes the longest.
"""

from collections.abc import Iterator, Mapping
import dataclasses
import functools
from typing import Any

import numpy as np

from flan_jax.definitions.dataset import (
  FORMATS,
  OPTIONS,
  Dataset,
  Template,
  in_format,
)
from flan_jax.explorer.shown_row import Piece, ShownRow
from flan_jax.inspection.rows import MOST_ROWS, cut_remarks
from flan_jax.rendering import render
from flan_jax.rendering.exemplars import choose, exemplar_keys, most_tokens
from flan_jax.rendering.lengths import DEFAULT_LENGTHS, renderings_of
from flan_jax.rendering.row_blocks import shorten
from flan_jax.rendering.source import SplitSource, plain_tensorflow
from flan_jax.rendering.templates import compile_templates, options_block
from flan_jax.rendering.tfds_rows import unoptimized
from flan_jax.vocabulary.base import Vocabulary

_SEED = 0


@dataclasses.dataclass(frozen=True)
class RowSettings:
  """Which rows are shown, and how.

  Attributes:
    data_dir: TFDS data directory; None for the default of TFDS.
    vocabulary: Decides what fits.
    rows: Most rows under each template.
    shots: Most exemplars before a row; with 0, no exemplars are read.
  """

  data_dir: str | None
  vocabulary: Vocabulary
  rows: int = 2
  shots: int = 2


class RowReader:
  """Reads and renders the rows of one dataset after another.

  Parts of a dataset may share their training rows, which are read once.
  """

  def __init__(self, settings: RowSettings):
    self._settings = settings
    self._read = functools.lru_cache(maxsize=1)(self._read_training)

  def show(self, part: Dataset) -> dict[str, dict[int, list[ShownRow]]]:
    """Returns format -> template -> the first rows that admit it.

    They are training rows; of a part that is never trained on, test rows, or
    else validation rows. Only the instructions get exemplars.

    Raises:
      MissingDataError: the part is not prepared.
    """
    home = part.exemplar_part if self._settings.shots else None
    pool = home and self._read(home)
    if pool and home == part:
      rows = pool.rows
    else:
      order = ('train', 'test', 'validation')
      split = next(split for split in order if split in part.splits)
      rows = _read(part, split, self._settings, MOST_ROWS)
    return {
      name: self._first_rows(in_format(part, name), rows[:MOST_ROWS], pool)
      for name in FORMATS
    }

  def _read_training(self, part: Dataset) -> '_Exemplars':
    source = SplitSource(part, self._settings.data_dir)
    renderings = renderings_of(source.num_input_examples('train'))
    rows = _read(part, 'train', self._settings)
    return _Exemplars(part, rows, renderings, self._settings)

  def _first_rows(
    self, part: Dataset, rows: list[dict], pool: '_Exemplars | None'
  ) -> dict[int, list[ShownRow]]:
    most = self._settings.rows
    renderer = _Renderer(part)
    found = {k: [] for k in range(len(part.templates))}
    todo = set(found)
    for row in rows:
      for k in sorted(todo & set(row['orders'][part.format].tolist())):
        found[k].append(self._shown(renderer, row, k, pool))
        if len(found[k]) == most:
          todo.discard(k)
      if not todo:
        break
    return found

  def _shown(
    self, renderer: '_Renderer', row, k: int, pool: '_Exemplars | None'
  ) -> ShownRow:
    part, vocabulary = renderer.part, self._settings.vocabulary
    prompt, length, inputs_cut = renderer.fitted(row, k, vocabulary)
    target = renderer.target(row, k)
    exemplars = ()
    if pool and part.format == 'instructions':
      exemplars = pool.before(row, k, length + 1)
    tokens = len(vocabulary.encode(target))
    # One token of the target is its end token.
    targets_cut = tokens >= DEFAULT_LENGTHS['targets']
    options = zip(row[OPTIONS], row['correct'], strict=True)
    return ShownRow(
      row['id'].decode(),
      renderer.pieces(row, k, prompt),
      target,
      tuple(words.decode() for words, correct in options if correct),
      exemplars,
      tuple(cut_remarks(inputs_cut, targets_cut)),
    )


def _read(
  part: Dataset, split: str, settings: RowSettings, most: int = -1
) -> list[dict[str, Any]]:
  """Reads rows, each with its templates in every format as `orders`."""
  forms = {name: in_format(part, name) for name in FORMATS}

  @plain_tensorflow
  def with_orders(row):
    orders = {name: render.template_order(p, row) for name, p in forms.items()}
    return {**row, 'orders': orders}

  rows = SplitSource(part, settings.data_dir).get_dataset(split, shuffle=False)
  rows = unoptimized(rows.take(most).map(with_orders))
  return list(rows.as_numpy_iterator())


class _Renderer:
  """Renders mapped rows under the templates of a part, piece by piece."""

  def __init__(self, part: Dataset):
    self.part = part
    self.table = compile_templates(part)

  def pool(self, row: Mapping[str, Any]) -> list[str]:
    """Returns the strings that `TemplateTable.pool` returns."""
    fields = [_text(row, name) for name in self.table.fields]
    return [*self.table.literals, *fields]

  def fitted(
    self, row: Mapping[str, Any], k: int, vocabulary: Vocabulary
  ) -> tuple[str, int, int]:
    """Returns a prompt that fits, its tokens and `Rendering.inputs_cut`."""
    # One token of the input is the separator.
    most = DEFAULT_LENGTHS['inputs'] - 1
    pool = self.pool(row)
    side = [int(i) for i in self.table.indices[k, 0] if i]
    prompt = ''.join(pool[i] for i in side)
    ids, cut = vocabulary.encode(prompt), 0
    if len(ids) > most:
      cutable = int(self.table.truncatable[k])
      prompt, ids, cut = shorten(vocabulary, most, pool, side, cutable)
    return prompt, min(len(ids), most), cut

  def pieces(
    self, row: Mapping[str, Any], k: int, shortened: str | None = None
  ) -> tuple[Piece, ...]:
    """Returns the prompt of a row.

    Args:
      row: A row that was read.
      k: Index of the template.
      shortened: The prompt after its truncatable field lost its end.
    """
    indices = [int(i) for i in self.table.indices[k, 0] if i]
    pool = self.pool(row)
    if shortened is not None:
      cut = int(self.table.truncatable[k])
      pool = _with_shortened(pool, indices, cut, shortened)
    names = [self._name(index) for index in indices]
    if _shows_options(self.part.templates[k]):
      names[-1] = OPTIONS
    return tuple((n, pool[i]) for n, i in zip(names, indices, strict=True))

  def target(self, row: Mapping[str, Any], k: int) -> str:
    pool = self.pool(row)
    return ''.join(pool[i] for i in self.table.indices[k, 1])

  def _name(self, index: int) -> str:
    place = index - len(self.table.literals)
    return self.table.fields[place] if place >= 0 else ''


def _text(row: Mapping[str, Any], name: str) -> str:
  if name == OPTIONS:
    return options_block([words.decode() for words in row[OPTIONS]])
  return row[name].decode()


def _shows_options(template: Template) -> bool:
  return OPTIONS in template.input_fields()


def _with_shortened(
  pool: list[str], indices: list[int], cut: int, shortened: str
) -> list[str]:
  """Replaces the string at `cut` by what is left of it in a prompt."""
  if ''.join(pool[i] for i in indices) == shortened:
    return pool
  rest = sum(len(pool[i]) for i in indices if i != cut)
  length = (len(shortened) - rest) // indices.count(cut)
  start = sum(len(pool[i]) for i in indices[: indices.index(cut)])
  left = shortened[start : start + length]
  return [left if i == cut else text for i, text in enumerate(pool)]


class _Exemplars:
  """The training rows of a part that can precede others as exemplars.

  The token cache and SeqIO draw from the same rows in the same order.
  """

  def __init__(
    self,
    part: Dataset,
    rows: list[dict[str, Any]],
    renderings: int,
    settings: RowSettings,
  ):
    self.rows = rows
    self._settings = settings
    self._renderer = _Renderer(part)
    # Template -> rows, in order.
    self._members: dict[int, list[dict]] = {}
    for row in rows:
      for k in row['orders'][part.format][:renderings].tolist():
        self._members.setdefault(k, []).append(row)
    self._groups = {
      k: np.array([row['group'] for row in members])
      for k, members in self._members.items()
    }

  def before(
    self, row: Mapping[str, Any], k: int, tokens: int
  ) -> tuple[tuple[tuple[Piece, ...], str], ...]:
    """Returns pieces and target of the exemplars that fit before a row.

    Args:
      row: The row.
      k: Its template.
      tokens: Length of its prompt, with the separator.
    """
    return tuple(self._fitting(row, k, most_tokens(DEFAULT_LENGTHS) - tokens))

  def _fitting(self, row, k: int, room: int) -> Iterator[tuple]:
    members = self._members.get(k, [])
    groups = self._groups.get(k, np.zeros(0, int))
    keys = exemplar_keys([row['id'].decode()], _SEED)
    chosen = choose(
      groups, np.array([row['group']]), keys, self._settings.shots
    )[0]
    for index in chosen[chosen >= 0]:
      pieces = self._renderer.pieces(members[index], k)
      target = self._renderer.target(members[index], k)
      room -= self._length(''.join(text for _, text in pieces), target)
      if room < 0:
        return
      yield pieces, target

  def _length(self, inputs: str, target: str) -> int:
    encode = self._settings.vocabulary.encode
    answer = encode(target)[: DEFAULT_LENGTHS['targets']]
    return len(encode(inputs)) + len(answer) + 2  # Both end with an end token.
