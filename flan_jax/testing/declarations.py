"""`assert_dataset`: one line that checks a dataset's declaration on a row."""

from collections.abc import Iterator, Mapping
import re
import string
from typing import Any

import numpy as np

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import OPTIONS, Dataset
from flan_jax.rendering.templates import (
  OPTION_BULLET,
  OPTIONS_HEADER,
  admissible,
  check_class_names,
  compile_templates,
  feature_value,
  map_row,
)

# Closes a sentence, perhaps within quotation marks or brackets.
_ENDS = re.compile(r"""[.?!:;…]["'”»)*]*$""")
# Another sentence begins on the same line.
_NEXT_SENTENCE = re.compile(r'["”»]? +["“«(]?[A-Z]')


def render_row(
  part: Dataset,
  row: Mapping[str, Any],
  class_names: tuple[str, ...] | None = None,
) -> dict[int, tuple[str, str]]:
  """Renders a raw row under every admissible template (imports TensorFlow).

  Args:
    part: A resolved part.
    row: Raw features: text, numbers, class indices, lists of them.
    class_names: TFDS's names of the label's classes, if it is a ClassLabel.

  Returns:
    Template -> (input, target).
  """
  import tensorflow as tf

  check_class_names(part, class_names)
  tensors = tf.nest.map_structure(tf.constant, dict(row))
  mapped = map_row(part, class_names, tensors)
  table = compile_templates(part)
  allowed = tf.where(admissible(part, mapped))[:, 0]
  rendered = table.render(table.pool(mapped), tf.cast(allowed, tf.int32))
  return {
    int(template): tuple(text.decode() for text in pair)
    for template, pair in zip(allowed.numpy(), rendered.numpy(), strict=True)
  }


def assert_dataset(
  name: str,
  row: Mapping[str, Any],
  template: int,
  prompt: str,
  target: str,
  class_names: tuple[str, ...] | None = None,
) -> None:
  """Asserts that a row renders as expected, and properly under every template.

  Args:
    name: Name of a registered part.
    row: A raw row, see `render_row`.
    template: The template of the expected rendering.
    prompt: Its expected input.
    target: Its expected target.
    class_names: See `render_row`; for an installed TFDS builder,
      `tfds.builder(source).info.features['label'].names`.

  Raises:
    AssertionError: names the template and its rendering.
  """
  part = registry.find_part(name)[1]
  rendered = render_row(part, row, class_names)
  where = f'{name}, template {template}'
  assert template in rendered, f'{where} does not apply to this row'
  found = rendered[template]
  assert found == (prompt, target), f'{where} renders {found!r}'
  for index, (text, answer) in rendered.items():
    _assert_sound(part, index, text, answer)
  assert_sentences_end(part, row)


def assert_sentences_end(part: Dataset, row: Mapping[str, Any]) -> None:
  """Asserts that no field runs into the next sentence of a template.

  In `'{goal} What do you do?'` the goal "dry shoes" would. Either the field
  stands on a line of its own, or its function adds the mark that is missing, as
  for a question. The texts of the row are read without their final marks,
  because other rows may have none.

  Args:
    part: A resolved part.
    row: A raw row, see `render_row`.

  Raises:
    AssertionError: names the template, the field and what follows it.
  """
  import tensorflow as tf

  tensors = tf.nest.map_structure(tf.constant, _without_final_marks(row))
  values = {
    name: feature_value(feature, tensors).numpy().decode()
    for name, feature in part.fields.items()
  }
  for index, template in enumerate(part.templates):
    for field, rest in _with_rest_of_line(template.input, values):
      runs_on = _NEXT_SENTENCE.match(rest) and not _ENDS.search(
        values.get(field, '')
      )
      assert not runs_on, (
        f'{part.name}, template {index}: {rest!r} follows {{{field}}}, which '
        f'may lack a final mark; put a line break between them'
      )


def _without_final_marks(value: Any) -> Any:
  """Returns a raw feature with `[.?!…]` cut from the ends of its texts."""
  if isinstance(value, str):
    return re.sub(r"""[\s.?!:;…"')]+$""", '', value) or value
  if isinstance(value, Mapping):
    return {name: _without_final_marks(item) for name, item in value.items()}
  if isinstance(value, list | tuple):
    return [_without_final_marks(item) for item in value]
  if isinstance(value, np.ndarray) and value.dtype.kind in 'OU':
    return _without_final_marks(value.tolist())
  return value


def _with_rest_of_line(
  pattern: str, values: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
  """Yields every field of a pattern with the text after it on its line."""
  pieces = list(string.Formatter().parse(pattern))
  rest = ''
  for literal, field, _, _ in reversed(pieces):
    if field is not None:
      yield field, rest.partition('\n')[0]
      rest = values.get(field, '') + rest
    rest = literal + rest


def _assert_sound(part: Dataset, index: int, text: str, answer: str) -> None:
  where = f'{part.name}, template {index}: {text!r} -> {answer!r}'
  assert text.strip() and answer.strip(), f'empty, {where}'
  assert text == text.rstrip(), f'the prompt ends in whitespace, {where}'
  if OPTIONS not in part.templates[index].input_fields():
    return
  body, header, block = text.rpartition(f'{OPTIONS_HEADER}\n')
  assert header and body.endswith('\n'), f'no options block, {where}'
  options = [line.removeprefix(OPTION_BULLET) for line in block.split('\n')]
  assert answer in options, f'the target is not among the options, {where}'
  assert len(set(options)) == len(options), f'an option occurs twice, {where}'
  assert all(options), f'an empty option, {where}'
