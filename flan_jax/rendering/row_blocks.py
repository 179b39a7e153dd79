"""Blocks of rows to prompts to tokens, without a TensorFlow graph.

The cache renders with this module: TensorFlow maps the raw rows to fields, and
Python joins the pieces and tokenizes a block at a time. `render` does the same
row by row inside a graph, for SeqIO. Both give the same tokens.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import functools
from typing import Any

import numpy as np
import tensorflow as tf

from flan_jax.definitions.dataset import ANSWER, OPTIONS, Dataset
from flan_jax.rendering import splits
from flan_jax.rendering.render import pick_value
from flan_jax.rendering.source import Rows, SplitSource, are_few
from flan_jax.rendering.templates import (
  admissible,
  compile_templates,
  options_block,
)
from flan_jax.rendering.tfds_rows import unoptimized
from flan_jax.vocabulary.base import INCOMPLETE, Vocabulary
from flan_jax.vocabulary.seqio import encode_batch

# Rows of a block. Their prompts, under ten templates, are in memory together.
BLOCK_ROWS = 128

# Rows of a slice that is kept for the other splits that divide it.
_SMALL = 1_000

# What a block keeps of a row besides what `Renderer` renders.
_KEPT = ('id', 'group', 'item', 'class', 'score')


@functools.cache
def block_view(part: Dataset) -> Callable[[Mapping[str, Any]], dict[str, Any]]:
  """Returns what turns a mapped row into what `Renderer` needs (TensorFlow).

  The options of fixed classes are left out, because the class tells them.
  """
  names = _field_names(part)

  def view(row):
    viewed = {name: row[name] for name in _KEPT}
    viewed['allowed'] = admissible(part, row)
    viewed['pick'] = pick_value(row['id'])
    viewed['fields'] = tf.stack([row[name] for name in names])
    if part.choices is None:
      viewed |= {n: row[n] for n in ('options', 'correct', 'answers')}
    return viewed

  return view


def _field_names(part: Dataset) -> list[str]:
  """Returns the fields that templates show, but for options."""
  shown = compile_templates(part).fields
  # Never empty, so that it can be stacked.
  return [name for name in shown if name != OPTIONS] or [ANSWER]


@dataclasses.dataclass
class RenderedRow:
  """A row and its renderings.

  Attributes:
    values: `id` (string), `group`, `item`, `class` and `score`.
    options: The texts of its options.
    correct: Positions of the options that are correct.
    answers: The texts of its answers.
    renderings: Its renderings, in their order.
  """

  values: Mapping[str, Any]
  options: Sequence[str]
  correct: Sequence[int]
  answers: Sequence[str]
  renderings: list['Rendering'] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Rendering:
  """A row under one template, tokenized.

  Attributes:
    template: Index of the template.
    inputs: Ids of the prompt, without end token, int32.
    targets: Ids of the target, without end token, int32.
    target: The text of the target.
    inputs_cut: 1 if the truncatable field was shortened, 2 if the prompt still
      did not fit and lost its end.
    targets_cut: Whether the target lost its end.
  """

  template: int
  inputs: np.ndarray
  targets: np.ndarray
  target: str
  inputs_cut: int
  targets_cut: bool


class Renderer:
  """Renders and tokenizes blocks of the rows of a part."""

  def __init__(
    self,
    part: Dataset,
    vocabulary: Vocabulary,
    most: tuple[int, int],
    templates: Sequence[int],
    renderings: int | None = None,
  ):
    """Compiles the templates.

    Args:
      part: The resolved part.
      vocabulary: Tokenizes prompts and targets.
      most: Most tokens of the input, without the separator, and of the target,
        including its end token.
      templates: Indices of the templates to render under.
      renderings: Most renderings of a row; None for all.
    """
    self._vocabulary = vocabulary
    self._max_inputs, self._max_targets = most
    self._most = renderings
    self._choices = list((part.choices or {}).values())
    self._chosen = np.isin(np.arange(len(part.templates)), list(templates))
    table = compile_templates(part)
    self._literals, self._fields = table.literals, table.fields
    self._truncatable = table.truncatable.tolist()
    # Index 0 is the empty literal that pads the table.
    self._sides = [
      tuple([i for i in side if i] for side in sides)
      for sides in table.indices.tolist()
    ]
    self._field_names = _field_names(part)

  def render(self, block: Mapping[str, np.ndarray]) -> list[RenderedRow]:
    """Returns the rows of a block of what `block_view` gives, rendered."""
    rows = [self._row(block, i) for i in range(len(block['id']))]
    pools = [
      self._pool(row, fields)
      for row, fields in zip(rows, block['fields'], strict=True)
    ]
    orders = [
      template_order(allowed & self._chosen, int(pick))[: self._most]
      for allowed, pick in zip(block['allowed'], block['pick'], strict=True)
    ]
    sides = [
      [''.join([pool[i] for i in side]) for side in self._sides[template]]
      for pool, order in zip(pools, orders, strict=True)
      for template in order
    ]
    inputs = encode_batch(self._vocabulary, [prompt for prompt, _ in sides])
    # Many targets are the same few words.
    words = list(dict.fromkeys(target for _, target in sides))
    encoded = encode_batch(self._vocabulary, words)
    targets = dict(zip(words, encoded, strict=True))
    found = iter(zip(sides, inputs, strict=True))
    for row, pool, order in zip(rows, pools, orders, strict=True):
      for template in order:
        (_, target), ids = next(found)
        cut = 0
        if len(ids) > self._max_inputs:
          _, ids, cut = shorten(
            self._vocabulary,
            self._max_inputs,
            pool,
            self._sides[template][0],
            self._truncatable[template],
          )
        row.renderings.append(
          Rendering(
            template,
            ids[: self._max_inputs],
            targets[target][: self._max_targets],
            target,
            cut,
            len(targets[target]) >= self._max_targets,
          )
        )
    return rows

  def _row(self, block: Mapping[str, np.ndarray], i: int) -> RenderedRow:
    values = {name: block[name][i] for name in _KEPT}
    values['id'] = values['id'].decode()
    if self._choices:
      index = int(values['class'])
      return RenderedRow(values, self._choices, [index], [self._choices[index]])
    options, answers = (
      [text.decode('utf-8', 'replace') for text in block[name][i]]
      for name in ('options', 'answers')
    )
    correct = np.flatnonzero(block['correct'][i]).tolist()
    return RenderedRow(values, options, correct, answers)

  def _pool(self, row: RenderedRow, fields: np.ndarray) -> list[str]:
    """Returns the strings that `TemplateTable.pool` returns."""
    texts = [text.decode('utf-8', 'replace') for text in fields]
    values = dict(zip(self._field_names, texts, strict=True))
    if OPTIONS in self._fields:
      values[OPTIONS] = options_block(list(row.options))
    return [*self._literals, *(values[name] for name in self._fields)]


def shorten(
  vocabulary: Vocabulary,
  most: int,
  pool: Sequence[str],
  side: Sequence[int],
  position: int,
) -> tuple[str, np.ndarray, int]:
  """Returns a prompt that is too long after its truncatable field lost its end.

  Args:
    vocabulary: Tokenizes it.
    most: Most tokens of the input, without the separator.
    pool: What `TemplateTable.pool` returns.
    side: Indices of the prompt's pieces in the pool.
    position: Index of the truncatable field in the pool, -1 without one.

  Returns:
    The prompt and its ids, which may still be too long, and
    `Rendering.inputs_cut`.
  """
  prompt = ''.join([pool[i] for i in side])
  ids = _encode(vocabulary, prompt)
  if position < 0:
    return prompt, ids, 2
  field = _encode(vocabulary, pool[position])
  pieces, keep = list(pool), len(field)
  while keep > 0 and len(ids) > most:
    keep = max(keep - (len(ids) - most), 0)
    text = vocabulary.decode(field[:keep])
    # A cut between the bytes of a character leaves half of it.
    pieces[position] = text.rstrip(INCOMPLETE)
    prompt = ''.join([pieces[i] for i in side])
    ids = _encode(vocabulary, prompt)
  return prompt, ids, 2 if len(ids) > most else 1


def _encode(vocabulary: Vocabulary, text: str) -> np.ndarray:
  return encode_batch(vocabulary, [text])[0]


def template_order(allowed: np.ndarray, pick: int) -> list[int]:
  """Returns the templates of a row in order, as `render.template_order` does.

  >>> template_order(np.array([True, False, True, True]), 4)
  [2, 3, 0]

  Args:
    allowed: Which templates the row may be rendered under, bool [templates].
    pick: The `render.pick_value` of its id.
  """
  found = np.flatnonzero(allowed).tolist()
  start = pick % max(len(found), 1)
  return found[start:] + found[:start]


class BlockSource(SplitSource):
  """A source that reads a small slice once, for its groups and its blocks."""

  def groups(self, found: splits.Slice) -> np.ndarray:
    """Returns the group of every row in a slice, before filters."""
    if found.stop - found.start > _SMALL or self.part.keep is not None:
      return super().groups(found)
    blocks = _read_small(self, found)
    none = np.zeros(0, np.int64)
    return np.concatenate([none, *(block['group'] for block in blocks)])


def read_blocks(
  source: SplitSource, split: str, start: int, stop: int
) -> Iterator[dict[str, np.ndarray]]:
  """Yields the `block_view` of rows `start` to `stop` of a split's slice.

  Yields:
    Arrays [rows, ...], or arrays of arrays where the lengths of rows differ.
    Rows of other splits are left out.
  """
  found, groups = source.slices[split], source.group_range(split)
  rows = dataclasses.replace(
    found, start=found.start + start, stop=found.start + stop
  )
  if groups is None:
    yield from _read(source, rows)
    return
  low, high = groups
  read = _read_small if stop - start <= _SMALL else _read
  for block in read(source, rows):
    mine = (low <= block['group']) & (block['group'] < high)
    yield {name: array[mine] for name, array in block.items()}


def _read(
  source: SplitSource, rows: splits.Slice
) -> Iterator[dict[str, np.ndarray]]:
  if are_few(source.rows, rows):
    yield from _read_few(source, rows)
    return
  view = source.read_slice(rows, block_view(source.part))
  shapes = [spec.shape for spec in view.element_spec.values()]
  fixed = all(shape.is_fully_defined() for shape in shapes)
  blocks = (view.batch if fixed else view.ragged_batch)(BLOCK_ROWS)
  for block in unoptimized(blocks):
    yield {name: value.numpy() for name, value in block.items()}


def _read_few(
  source: SplitSource, rows: splits.Slice
) -> Iterator[dict[str, np.ndarray]]:
  found = list(source.read_few(rows, block_view(source.part)))
  if found:
    yield {name: _block([row[name] for row in found]) for name in found[0]}


def _block(values: Sequence[Any]) -> np.ndarray:
  """Returns the values of rows, an array of arrays if their lengths differ."""
  arrays = [np.asarray(value) for value in values]
  if len({array.shape for array in arrays}) == 1:
    return np.stack(arrays)
  block = np.empty(len(arrays), object)
  block[:] = arrays
  return block


def _read_small(
  source: SplitSource, rows: splits.Slice
) -> Sequence[dict[str, np.ndarray]]:
  """Reads a slice once for all the splits that divide it."""
  return _kept_blocks(source.part, source.data_dir, rows, source.rows)


@functools.lru_cache(maxsize=64)
def _kept_blocks(
  part: Dataset, data_dir: str | None, rows: splits.Slice, copy: Rows
):
  del copy  # Another one has other rows.
  return list(_read(SplitSource(part, data_dir), rows))
