"""The template engine: all templates of a dataset as one table.

Every template is cut into literals and fields. The literals of all templates
and the fields of a row form one pool of strings, and a template is a row of
indices into the pool. Rendering is one gather and one join, however many
templates there are.
"""

from collections.abc import Mapping
import dataclasses
import itertools
import string
from typing import Any

from etils import epy
import numpy as np

from flan_jax.definitions.dataset import ANSWER, OPTIONS, Dataset, DatasetError

with epy.lazy_imports():
  import tensorflow as tf

OPTIONS_HEADER = 'Options:'
OPTION_BULLET = '- '


def options_block(words: list[str]) -> str:
  r"""Renders the options as every prompt of the project shows them.

  >>> options_block(['yes', 'no'])
  'Options:\n- yes\n- no'
  """
  return '\n'.join([OPTIONS_HEADER, *(OPTION_BULLET + word for word in words)])


def option_orders(count: int) -> list[tuple[int, ...]]:
  """Returns the orders in which classes are shown, template by template.

  The orders are rotations, so that in `count` templates each class comes first
  once, then their mirror images. More than three classes are shown only
  ascending and descending: scales stay readable, and the average position of
  every class is the middle.

  >>> option_orders(2)
  [(0, 1), (1, 0)]
  >>> option_orders(3)[:4]
  [(0, 1, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)]
  >>> option_orders(5)
  [(0, 1, 2, 3, 4), (4, 3, 2, 1, 0)]
  """
  ascending = tuple(range(count))
  if count > 3:
    return [ascending, ascending[::-1]]
  rotations = [ascending[i:] + ascending[:i] for i in range(count)]
  return list(dict.fromkeys(rotations + [order[::-1] for order in rotations]))


@dataclasses.dataclass(frozen=True)
class TemplateTable:
  """The compiled templates of one dataset part.

  Attributes:
    literals: Distinct literal strings; the first is empty and pads the table.
    fields: Names of the fields that follow the literals in the pool.
    indices: Input and target of each template as indices into the pool,
      int [templates, 2, pieces].
    truncatable: Position in the pool of the field that each template may
      shorten, int [templates]; -1 if it shows no such field.
  """

  literals: tuple[str, ...]
  fields: tuple[str, ...]
  indices: np.ndarray
  truncatable: np.ndarray

  def pool(self, row: Mapping[str, Any]) -> Any:
    """Returns the literals and the fields of one row, strings [pool]."""
    values = [_field(row, name) for name in self.fields]
    return tf.concat([tf.constant(self.literals), tf.stack(values)], axis=0)

  def render(self, pool: Any, template: Any) -> Any:
    """Renders one row under one template or several.

    Args:
      pool: Strings from `pool`.
      template: Index or indices, int [...].

    Returns:
      Strings [..., 2]: input and target.
    """
    return join_pieces(pool, tf.gather(self.indices, template))


def join_pieces(pool: Any, indices: Any) -> Any:
  """Joins strings of a pool by their indices, int [..., n], to [...]."""
  return tf.strings.reduce_join(tf.gather(pool, indices), axis=-1)


def _field(row: Mapping[str, Any], name: str) -> Any:
  if name != OPTIONS:
    return row[name]
  lines = tf.strings.join([OPTION_BULLET, row['options']])
  lines = tf.concat([[OPTIONS_HEADER], lines], axis=0)
  return tf.strings.reduce_join(lines, separator='\n')


def compile_templates(dataset: Dataset) -> TemplateTable:
  """Compiles the templates of a resolved part into one table.

  With fixed classes the options block is a literal. Its order does not change
  within a template and is balanced over the ordinary templates. A row's own
  choices keep their order.
  """
  words = list((dataset.choices or {}).values())
  orders = itertools.cycle(option_orders(len(words)))
  sides = []
  for template in dataset.templates:
    block = None
    if words and not template.inverted:
      block = options_block([words[i] for i in next(orders)])
    for pattern in (template.input, template.target):
      sides.append(list(_pieces(pattern, block)))
  pieces = dict.fromkeys([(True, ''), *itertools.chain.from_iterable(sides)])
  # Literals come before fields, both in order of occurrence.
  pieces = sorted(pieces, key=lambda piece: not piece[0])
  index = {piece: i for i, piece in enumerate(pieces)}
  indices = np.zeros((len(sides), max(map(len, sides))), np.int32)
  for row, side in zip(indices, sides, strict=True):
    row[: len(side)] = [index[piece] for piece in side]
  truncatable = []
  for template in dataset.templates:
    shown = template.input_fields()
    names = [name for name in dataset.truncatable_fields if name in shown]
    truncatable.append(index[False, names[0]] if names else -1)
  return TemplateTable(
    literals=tuple(text for is_literal, text in pieces if is_literal),
    fields=tuple(text for is_literal, text in pieces if not is_literal),
    indices=indices.reshape(len(dataset.templates), 2, -1),
    truncatable=np.array(truncatable, np.int32),
  )


def _pieces(pattern: str, block: str | None):
  """Yields (is_literal, text); a block of fixed classes is a literal."""
  for literal, name, _, _ in string.Formatter().parse(pattern):
    if literal:
      yield True, literal
    if name == OPTIONS and block is not None:
      yield True, block
    elif name is not None:
      yield False, name


def map_row(dataset: Dataset, class_names: tuple[str, ...] | None, row: Any):
  """Maps a raw TFDS row to named fields and its answer (TensorFlow).

  Args:
    dataset: A resolved part.
    class_names: The builder's names of the ClassLabel `dataset.label`; None
      if the label is a function that returns a class name.
    row: Raw features.

  Returns:
    {field: scalar string …, 'options': strings [O], 'correct': bool [O],
    'answers': strings [A], 'answer': scalar string, 'class': int32 (-1 without
    fixed classes), 'score': float32 (NaN without a score)}.
  """
  mapped = {
    name: tf.ensure_shape(as_text(feature_value(feature, row)), [])
    for name, feature in dataset.fields.items()
  }
  mapped['class'] = tf.constant(-1)
  mapped['score'] = tf.constant(float('nan'))
  if dataset.score is not None:
    mapped['score'] = _number(feature_value(dataset.score, row))
  if dataset.choices is not None:
    index = _class_index(dataset, class_names, row)
    mapped['class'] = index
    mapped['options'] = tf.constant(list(dataset.choices.values()))
    mapped['correct'] = tf.range(len(dataset.choices)) == index
  elif dataset.options is not None:
    mapped['options'] = feature_value(dataset.options, row)
    mapped['correct'] = dataset.correct(row)
  if dataset.answers is not None:
    # One answer may stand by itself.
    answers = as_text(feature_value(dataset.answers, row))
    mapped['answers'] = tf.reshape(answers, [-1])
    mapped['options'] = tf.constant([], tf.string)
    mapped['correct'] = tf.constant([], tf.bool)
  else:
    mapped['answers'] = tf.boolean_mask(mapped['options'], mapped['correct'])
  mapped[ANSWER] = mapped['answers'][0]
  return mapped


def feature_value(feature: Any, row: Any) -> Any:
  """Returns a raw feature by name, or the value of a function of the row."""
  return row[feature] if isinstance(feature, str) else feature(row)


def as_text(value: Any) -> Any:
  """Returns text as it is, and a number or a truth value as text."""
  value = tf.convert_to_tensor(value)
  if value.dtype == tf.string:
    return value
  # Six digits of a fraction, without zeros at its end.
  return tf.strings.as_string(value, shortest=value.dtype.is_floating)


def _number(value: Any) -> Any:
  value = tf.convert_to_tensor(value)
  if value.dtype == tf.string:
    return tf.strings.to_number(value)
  return tf.cast(value, tf.float32)


def _class_index(dataset: Dataset, class_names, row) -> Any:
  """Returns the row's position in `dataset.choices`, found by name."""
  names = list(dataset.choices)
  label = feature_value(dataset.label, row)
  if class_names is not None:
    lookup = tf.constant([names.index(name) for name in class_names])
    return tf.gather(lookup, tf.cast(label, tf.int32))
  matches = tf.equal(tf.constant(names), as_text(label))
  check = tf.debugging.assert_equal(
    tf.reduce_any(matches),
    True,
    message=f'dataset {dataset.name}: a label is not one of {names}',
  )
  with tf.control_dependencies([check]):
    return tf.argmax(tf.cast(matches, tf.int32), output_type=tf.int32)


def check_class_names(
  dataset: Dataset, class_names: tuple[str, ...] | None
) -> None:
  """Checks the choices against the builder's class names.

  Raises:
    DatasetError: they differ.
  """
  if dataset.choices is None or class_names is None:
    return
  if set(dataset.choices) != set(class_names):
    raise DatasetError(
      f'dataset {dataset.name}: choices has the classes '
      f'{list(dataset.choices)}, but {dataset.source} has {list(class_names)}'
    )


def admissible(dataset: Dataset, row: Any) -> Any:
  """Returns which templates are true for a mapped row, bool [templates].

  A template that shows an empty field is not.
  """
  flags = []
  for template in dataset.templates:
    if template.only_if is None:
      flags.append(tf.constant(True))
    elif callable(template.only_if):
      flags.append(template.only_if(row))
    else:
      allowed = [name in template.only_if for name in dataset.choices]
      flags.append(tf.gather(tf.constant(allowed), row['class']))
  fields = tuple(dataset.fields)
  shown = [
    [name in (*t.input_fields(), *t.target_fields()) for name in fields]
    for t in dataset.templates
  ]
  empty = tf.equal(tf.stack([row[name] for name in fields]), '')
  return tf.stack(flags) & ~tf.reduce_any(tf.constant(shown) & empty, axis=1)
