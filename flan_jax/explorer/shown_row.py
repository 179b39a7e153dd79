"""A row as the page shows it."""

import dataclasses

# A name and a text. The name is that of a field, `options` for the options
# block, or empty for the words of the template.
Piece = tuple[str, str]


@dataclasses.dataclass(frozen=True)
class ShownRow:
  """A row under one template.

  Attributes:
    row_id: The row's id.
    pieces: The prompt, as shortened to fit.
    target: What is to be answered.
    correct: The words of all correct options; empty if the answer is free
      text.
    exemplars: Pieces and target of the exemplars that fit before the prompt.
    remarks: What was cut.
  """

  row_id: str
  pieces: tuple[Piece, ...]
  target: str
  correct: tuple[str, ...]
  exemplars: tuple[tuple[tuple[Piece, ...], str], ...]
  remarks: tuple[str, ...]
