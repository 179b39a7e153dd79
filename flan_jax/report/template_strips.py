"""How much results depend on the wording: one mark for each template."""

from collections.abc import Sequence
import itertools
from typing import Any

import numpy as np

from flan_jax.evaluation.metrics.text_metrics import LOWER_IS_BETTER
from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.drawing import (
  INK,
  Drawing,
  add_legend,
  look,
)
from flan_jax.report.row_chart import row_chart
from flan_jax.report.systems import System, rows_of
from flan_jax.terminal.blocks import counted


def by_template(part: PartResult) -> dict[int, float]:
  """Returns template -> value of the reported metric."""
  return {t: found[part.metric] for t, found in part.templates.items()}


def template_strips(name: str, systems: Sequence[System]) -> Drawing | None:
  """Draws a tick for each template, and a dot for the mean over templates.

  Args:
    name: Name of the figure.
    systems: The models.

  Returns:
    None if no model has a result.
  """
  rows = rows_of(systems)
  if not rows:
    return None
  chart = row_chart(rows, series=len(systems))
  axes = chart.panels[0]
  for number, (system, offset) in enumerate(
    zip(systems, chart.offsets, strict=True)
  ):
    style = look(number)
    ticks, means = [], []
    for (_, row), place in zip(rows, chart.places, strict=True):
      if row in system.parts:
        part = system.parts[row]
        means.append((part.mean, place + offset))
        ticks += [(v, place + offset) for v in by_template(part).values()]
    if means:
      _draw_ticks(axes, ticks, 0.11, style.colour)
      axes.plot(
        *zip(*means, strict=True),
        color=style.colour,
        marker=style.marker,
        markersize=4.5,
        linestyle='none',
        label=system.label,
      )
  axes.set_xlabel('value under each template')
  add_legend(chart.canvas)
  return Drawing(
    name=name,
    title='Sensitivity to the wording',
    alt=_alt(systems),
    caption='One tick for each template, and a marker for their mean. The '
    'wider a row is, the more its results depend on the wording.',
    canvas=chart.canvas,
  )


def _draw_ticks(
  axes: Any, ticks: Sequence[tuple[float, float]], half: float, colour: str
) -> None:
  """Draws upright ticks as one line, which keeps the file small."""
  xs = [(value, value, np.nan) for value, _ in ticks]
  ys = [(place - half, place + half, np.nan) for _, place in ticks]
  axes.plot(
    list(itertools.chain(*xs)),
    list(itertools.chain(*ys)),
    color=colour,
    linestyle='-',
    linewidth=1,
    alpha=0.75,
    solid_capstyle='butt',
  )


def _alt(systems: Sequence[System]) -> str:
  texts = []
  for system in systems:
    ranges = {
      row: max(values) - min(values)
      for row, part in system.parts.items()
      if (values := list(by_template(part).values()))
    }
    if ranges:
      widest = max(ranges, key=ranges.get)
      texts.append(
        f'{system.label}: the best and the worst template differ by '
        f'{np.mean([*ranges.values()]):.1f} points in the mean over datasets, '
        f'at most by {ranges[widest]:.1f} on {widest}'
      )
  return f'{"; ".join(texts)}.'


def flips(first: PartResult, second: PartResult) -> tuple[list[float], int]:
  """Compares two models under each template that both answered.

  Returns:
    By how much the second is better, for each template; and how many of these
    have the opposite sign of their mean. A tie is no flip.
  """
  values, others = by_template(first), by_template(second)
  sign = -1 if first.metric in LOWER_IS_BETTER else 1
  found = [sign * (others[t] - values[t]) for t in values if t in others]
  mean = np.mean(found) if found else 0
  return found, sum(value * mean < 0 for value in found)


def rank_flips(name: str, first: System, second: System) -> Drawing | None:
  """Draws the difference of two models under each template.

  Args:
    name: Name of the figure.
    first: The model that the other is compared with.
    second: The other model.

  Returns:
    None if they have no dataset and template in common.
  """
  found = {
    row: flips(first.parts[row], second.parts[row])
    for row in first.parts
    if row in second.parts
  }
  found = {row: pair for row, pair in found.items() if pair[0]}
  rows = rows_of([first], found)
  if not rows:
    return None
  chart = row_chart(rows)
  axes = chart.panels[0]
  places = dict(zip([row for _, row in rows], chart.places, strict=True))
  for number, (label, chosen) in enumerate(
    ((f'{first.label} is better', -1), (f'{second.label} is better', 1))
  ):
    points = [
      (value, places[row])
      for row, (values, _) in found.items()
      for value in values
      if np.sign(value) == chosen
    ]
    style = look(number)
    if points:
      axes.plot(
        *zip(*points, strict=True),
        color=style.colour,
        marker=style.marker,
        markersize=4,
        markerfacecolor='none',
        linestyle='none',
        label=label,
      )
  equal = [
    (0, places[row]) for row, (values, _) in found.items() if 0 in values
  ]
  if equal:
    axes.plot(
      *zip(*equal, strict=True),
      color=INK,
      marker='x',
      markersize=4,
      linestyle='none',
      label='equal',
    )
  axes.axvline(0, color=INK, linewidth=0.8)
  for row, (values, flipped) in found.items():
    axes.text(
      *(1.01, places[row], f'{flipped} of {len(values)}'),
      transform=axes.get_yaxis_transform(),
      va='center',
      fontsize=8,
      fontweight='bold' if flipped else 'normal',
    )
  axes.set_xlabel(
    f'by how much {second.label} is better than {first.label}, under each '
    'template'
  )
  axes.set_title('flips', loc='right', fontsize=8.5)
  add_legend(chart.canvas)
  total = sum(len(values) for values, _ in found.values())
  flipped = sum(count for _, count in found.values())
  some = sum(count > 0 for _, count in found.values())
  return Drawing(
    name=name,
    title=f'Which model is better depends on the wording: {first.label} and '
    f'{second.label}',
    alt=f'Under {flipped} of {counted(total, "template")}, the order of '
    f'{first.label} and {second.label} is not that of their means. This '
    f'happens on {some} of {counted(len(found), "dataset")}.',
    caption='A flip is a template under which the model that is worse in the '
    'mean over templates is better. Numbers at the right count them.',
    canvas=chart.canvas,
  )
