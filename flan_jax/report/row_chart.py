"""Charts with one line for each dataset, below the name of its cluster."""

from collections.abc import Iterable, Sequence
import dataclasses
from typing import Any

from matplotlib import figure as mpl
import numpy as np

from flan_jax.report.drawing import INK, new_canvas, shorten

_ROW = 0.2  # Inches.
_GAP = 0.4  # Rows between groups.
_TALL = 25  # Rows from which on the upper edge has numbers too.


@dataclasses.dataclass(frozen=True)
class RowChart:
  """A chart whose vertical axis names rows, from top to bottom.

  Attributes:
    canvas: The figure.
    panels: Its axes, side by side.
    places: The place of each row on the vertical axis.
    offsets: How far from the place of a row each series is, from top to bottom.
  """

  canvas: mpl.Figure
  panels: Sequence[Any]
  places: Sequence[float]
  offsets: Sequence[float]


def row_chart(
  rows: Sequence[tuple[str, str]],
  panels: int = 1,
  series: int = 1,
  distance: float = 0.4,
  longest: int = 38,
) -> RowChart:
  """Returns an empty chart.

  Args:
    rows: The group and the name of each row. Groups are in the order in which
      they first occur, with the rows of a group below each other.
    panels: Number of axes side by side.
    series: How many values of a row are above each other.
    distance: Between these, in lines of text.
    longest: Most characters of a name.
  """
  row_height = max(1.0, 0.4 + distance * series)
  places, labels, heads, y = [0.0] * len(rows), {}, set(), 0.0
  for group in dict.fromkeys(group for group, _ in rows):
    labels[y] = shorten(group, longest)
    heads.add(y)
    for number, row in enumerate(rows):
      if row[0] == group:
        y += row_height if y not in heads else (1 + row_height) / 2
        places[number], labels[y] = y, shorten(row[1], longest)
    y += (1 + row_height) / 2 + _GAP
  canvas, axes = new_canvas(
    _ROW * y + 0.9, 1, panels, squeeze=False, sharey=True
  )
  edge = row_height / 2 + 0.1
  bottom = max(places, default=0) + edge
  for one in axes[0]:
    one.set_ylim(bottom, -0.6)
    one.grid(visible=False, axis='y')
    one.tick_params(axis='y', length=0)
    one.spines['left'].set_visible(False)
    if series > 2:  # Else it is plain which marks belong to a row.
      for place in places[1::2]:
        half = row_height / 2
        one.axhspan(
          place - half, place + half, color=INK, alpha=0.06, lw=0, zorder=0.4
        )
    if len(places) >= _TALL:
      one.tick_params(axis='x', labeltop=True)
    one.hlines(
      places,
      0,
      1,
      transform=one.get_yaxis_transform(),
      color=INK,
      alpha=0.15,
      linewidth=0.6,
      zorder=0.5,
    )
  first = axes[0, 0]
  first.set_yticks([*labels], labels.values())
  for place, text in zip(labels, first.get_yticklabels(), strict=True):
    if place in heads:
      text.set_fontweight('bold')
  offsets = distance * (np.arange(series) - (series - 1) / 2)
  return RowChart(canvas, axes[0], places, offsets)


def stay_in_percent(axes: Any, values: Iterable[float]) -> None:
  """Lets error bars of percentages end at the edges, below 0 and above 100."""
  if all(0 <= value <= 100 for value in values):
    left, right = axes.get_xlim()
    axes.set_xlim(max(left, -3), min(right, 103))
