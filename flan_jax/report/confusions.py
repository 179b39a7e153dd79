"""Which class a model takes for which."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.patches import Rectangle
import numpy as np

from flan_jax.definitions import registry
from flan_jax.report.drawing import (
  INK,
  LOOKS,
  Drawing,
  new_canvas,
  shorten,
)
from flan_jax.report.systems import System, row_name
from flan_jax.terminal.blocks import counted

_CELL = 0.27  # Inches.
_WORD = 12  # Characters of the name of a class.
# The darkest cell, on which text in either colour can still be read.
_DARKEST = 0.75


def read_counts(system: System) -> dict[str, np.ndarray]:
  """Counts the answers of a model to test rows of datasets with classes.

  Returns:
    Row of a chart -> how often a class (first index) was taken for a class
    (second index), summed over templates, int [O, O]. Of several right
    answers, the first counts.
  """
  counts: dict[str, np.ndarray] = {}
  for evaluation in system.evaluations:
    rows = {(p.part, p.format): row_name(p) for p in evaluation.results}
    for record in evaluation.records():
      row = rows.get((record['part'], record['format']))
      if row is None or record['split'] != 'test' or 'predicted' not in record:
        continue
      if row not in counts:
        classes = len(class_words(record['part']))
        counts[row] = np.zeros((classes, classes), int)
      if counts[row].size:
        counts[row][record['gold'][0], record['predicted']] += 1
  return {row: count for row, count in counts.items() if count.size}


def class_words(part: str) -> tuple[str, ...]:
  """Returns the words of a dataset's classes; none if rows have own options."""
  try:
    _, declared = registry.find_part(part)
  except registry.UnknownNameError:
    return ()  # Of a user's module that is not loaded.
  return tuple((declared.choices or {}).values())


def confusions(
  name: str,
  cluster: str,
  systems: Sequence[System],
  counts: Sequence[Mapping[str, np.ndarray]],
) -> Drawing | None:
  """Draws a matrix for each dataset of a cluster and each model.

  Args:
    name: Name of the figure.
    cluster: The cluster.
    systems: The models.
    counts: Of each model, what `read_counts` returns.

  Returns:
    None if no dataset of the cluster has classes.
  """
  parts = {
    row: part.part
    for system, found in zip(systems, counts, strict=True)
    for row, part in system.parts.items()
    if row in found and part.cluster == cluster
  }
  if not parts:
    return None
  beside = max(1, 4 // len(systems))
  columns = beside * len(systems)
  rows = -(-len(parts) // beside)
  width = 80 // columns  # Characters of a title.
  largest = max(len(class_words(part)) for part in parts.values())
  canvas, panels = new_canvas(
    rows * (_CELL * largest + 0.95) + 0.2, rows, columns, squeeze=False
  )
  for axes in panels.flat:
    axes.set_axis_off()
  for number, (row, part) in enumerate(parts.items()):
    start = number % beside * len(systems)
    for side, found in enumerate(counts):
      axes = panels[number // beside, start + side]
      if row in found:
        _matrix(axes, found[row], class_words(part), first=side == 0)
        axes.set_title(
          f'{shorten(row, width)}\n{shorten(systems[side].label, width)}',
          fontsize=8,
        )
  return Drawing(
    name=name,
    title=f'Confusion of classes: {cluster}',
    alt=_alt(systems, counts, parts),
    caption='Lines are the right class, columns the predicted one, in percent '
    'of the line, over all templates. Right answers have a frame.',
    canvas=canvas,
  )


def _matrix(
  axes: Any, count: np.ndarray, words: Sequence[str], first: bool
) -> None:
  """Draws one matrix; the first of a dataset names the lines."""
  size = len(words)
  share = count / np.maximum(count.sum(axis=1, keepdims=True), 1)
  axes.set_axis_on()
  axes.grid(visible=False)
  axes.set_xlim(0, size)
  axes.set_ylim(size, 0)
  axes.set_aspect('equal', anchor='NW')
  for gold in range(size):
    for predicted in range(size):
      right = gold == predicted
      axes.add_patch(
        Rectangle(
          (predicted + 0.03, gold + 0.03),
          *(0.94, 0.94),
          facecolor=(LOOKS[0].colour, _DARKEST * share[gold, predicted]),
          edgecolor=INK if right else 'none',
          linewidth=0.9,
        )
      )
      axes.text(
        *(predicted + 0.5, gold + 0.5),
        f'{100 * share[gold, predicted]:.0f}' if count[gold].sum() else '–',
        ha='center',
        va='center',
        fontsize=7.5,
      )
  names = [
    word if len(word) <= _WORD else f'{word[: _WORD - 1]}…' for word in words
  ]
  places = np.arange(size) + 0.5
  axes.set_xticks(
    places, names, rotation=40, ha='right', rotation_mode='anchor'
  )
  axes.set_yticks(places, names if first else [])
  axes.tick_params(length=0, labelsize=7.5, pad=2)
  for spine in axes.spines.values():
    spine.set_visible(False)


def _alt(
  systems: Sequence[System],
  counts: Sequence[Mapping[str, np.ndarray]],
  parts: Mapping[str, str],
) -> str:
  texts = []
  for system, found in zip(systems, counts, strict=True):
    shares = [np.trace(found[r]) / found[r].sum() for r in parts if r in found]
    if shares:
      texts.append(f'{system.label} {100 * np.mean(shares):.0f} %')
  return (
    f'{counted(len(parts), "dataset")} with classes; right answers, mean over '
    f'datasets: {", ".join(texts)}.'
  )
