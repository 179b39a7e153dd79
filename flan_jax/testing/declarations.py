"""`assert_dataset`: one line that checks a dataset's declaration on a row."""

from collections.abc import Mapping
from typing import Any

from flan_jax.definitions import registry
from flan_jax.definitions.dataset import OPTIONS, Dataset
from flan_jax.rendering.templates import (
  OPTION_BULLET,
  OPTIONS_HEADER,
  admissible,
  check_class_names,
  compile_templates,
  map_row,
)


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
