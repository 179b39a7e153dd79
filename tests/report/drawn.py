"""What a drawing shows, read back from its axes."""

from typing import Any

from matplotlib import colors
import numpy as np

from flan_jax.report.drawing import Drawing


def points(axes: Any, label: str) -> list[tuple[float, float]]:
  """Returns the points that are plotted under a label, in order."""
  return [
    (float(x), float(y))
    for line in axes.get_lines()
    if line.get_label() == label
    for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
  ]


def values(axes: Any, label: str) -> list[float]:
  """Returns the horizontal values under a label, without missing ones."""
  return [x for x, _ in points(axes, label) if not np.isnan(x)]


def heights(axes: Any, label: str) -> list[float]:
  """Returns the vertical values under a label, without missing ones."""
  return [y for _, y in points(axes, label) if not np.isnan(y)]


def row_labels(drawing: Drawing) -> list[str]:
  """Returns the names on the vertical axis, from top to bottom."""
  axes = drawing.canvas.axes[0]
  return [text.get_text() for text in axes.get_yticklabels()]


def hollow(axes: Any, label: str) -> set[bool]:
  """Returns whether the markers under a label are hollow."""
  return {
    colors.to_rgba(line.get_markerfacecolor())[3] == 0
    for line in axes.get_lines()
    if line.get_label() == label
  }


def texts(axes: Any) -> list[str]:
  """Returns the texts inside axes."""
  return [text.get_text() for text in axes.texts]
