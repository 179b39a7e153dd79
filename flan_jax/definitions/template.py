"""One way to phrase a dataset."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
import re
import string
from typing import Any

# A raw row as TFDS yields it: feature name -> tensor.
Row = Mapping[str, Any]

# Fields that every template may use, without a declaration.
OPTIONS = 'options'  # The options block, see `rendering.templates`.
ANSWER = 'answer'  # The row's gold answer in words.
RESERVED_FIELDS = (OPTIONS, ANSWER)
ANSWER_TARGET = f'{{{ANSWER}}}'

FIELD_NAME = re.compile(r'^[a-z0-9_]+$')


@dataclasses.dataclass(frozen=True)
class Template:
  """One way to phrase a dataset.

  Attributes:
    input: The prompt, with `{field}` placeholders. `{options}` renders the
      options block and comes last, if at all. Double a literal brace.
    target: The text to answer with; `{answer}` is the row's gold answer.
    inverted: Whether it turns the task around: it asks for the question, or
      for a text with a given label. Trained on, never evaluated.
    only_if: Names of the classes for which the template is true, or a
      TensorFlow predicate over the named fields. None: true for every row. A
      row for which it is not true uses its next admissible template.
    group: Name of a part that is reported separately, such as a direction of
      translation; None if the dataset is reported as a whole.
  """

  input: str
  target: str = ANSWER_TARGET
  inverted: bool = False
  only_if: tuple[str, ...] | Callable[[Row], Any] | None = None
  group: str | None = None

  def input_fields(self) -> tuple[str, ...]:
    return placeholders(self.input)

  def target_fields(self) -> tuple[str, ...]:
    return placeholders(self.target)


def placeholders(pattern: str) -> tuple[str, ...]:
  """Returns the field names of a pattern, in order.

  >>> placeholders('{premise} So: {hypothesis}?')
  ('premise', 'hypothesis')

  Raises:
    ValueError: unbalanced braces, or a placeholder with a format or without
      a name.
  """
  names = []
  for _, name, spec, conversion in string.Formatter().parse(pattern):
    if name is None:
      continue
    if not FIELD_NAME.match(name) or spec or conversion:
      raise ValueError(
        f'a placeholder is not a plain field name in {pattern!r}'
      )
    names.append(name)
  return tuple(names)


def evaluated(templates: Sequence[Template]) -> tuple[int, ...]:
  """Returns the indices of the templates that evaluation uses."""
  return tuple(i for i, t in enumerate(templates) if not t.inverted)
