"""What each model scores on each dataset, and whether its answers are valid."""

from collections.abc import Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.evaluation.metrics.text_metrics import LOWER_IS_BETTER
from flan_jax.evaluation.paper_means import FLAN, ZERO
from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.drawing import (
  INK,
  Drawing,
  add_legend,
  listed,
  look,
  paper_marker,
)
from flan_jax.report.paper_tables import protocol_gap
from flan_jax.report.protocol import AskedRows, rows_note
from flan_jax.report.row_chart import row_chart
from flan_jax.report.systems import System, rows_of
from flan_jax.studies import paper
from flan_jax.terminal.blocks import counted

_TICK = {
  'marker': '|',
  'color': INK,
  'markersize': 9,
  'linestyle': 'none',
  'zorder': 1.5,
}


def dataset_means(name: str, systems: Sequence[System]) -> Drawing | None:
  """Draws the mean over templates of each dataset, with its interval.

  Args:
    name: Name of the figure.
    systems: The models, the first being the one that others are compared with.

  Returns:
    None if no model has a result.
  """
  rows = rows_of(systems)
  if not rows:
    return None
  chart = row_chart(
    [(c, _with_metric(r, systems)) for c, r in rows], series=len(systems)
  )
  axes = chart.panels[0]
  places = dict(zip([row for _, row in rows], chart.places, strict=True))
  for number, (system, offset) in enumerate(
    zip(systems, chart.offsets, strict=True)
  ):
    style = look(number)
    shown = [
      (system.parts[row], place + offset)
      for row, place in places.items()
      if row in system.parts
    ]
    if shown:
      means = [part.mean for part, _ in shown]
      levels = [place for _, place in shown]
      axes.plot(
        *(means, levels),
        color=style.colour,
        marker=style.marker,
        linestyle='none',
        label=system.label,
      )
      errors = np.array([_error(part) for part, _ in shown]).T
      axes.errorbar(
        *(means, levels),
        xerr=errors,
        fmt='none',
        ecolor=style.colour,
        elinewidth=1.1,
      )
  _references(axes, places, systems)
  axes.set_xlabel('mean over templates')
  add_legend(chart.canvas)
  return Drawing(
    name=name,
    title='Results by dataset',
    alt=_alt(systems, rows),
    caption=_caption(systems),
    canvas=chart.canvas,
  )


def _caption(systems: Sequence[System]) -> str:
  asked = [AskedRows.of(part) for s in systems for part in s.parts.values()]
  metrics = {part.metric for s in systems for part in s.parts.values()}
  lower = sorted(metrics & LOWER_IS_BETTER)
  better = f' Less is better for {listed(lower)}.' if lower else ''
  return (
    'The metric is accuracy, in percent, where none is named. Lines are 95 % '
    'intervals of the mean over rows; they are missing where there are too few '
    f'rows, or templates apply to different rows.{better} The paper '
    f'is compared with zero-shot results in its protocol.{rows_note(asked)}'
  )


def _with_metric(row: str, systems: Sequence[System]) -> str:
  metric = next(s.parts[row].metric for s in systems if row in s.parts)
  return row if metric == 'accuracy' else f'{row}, {metric}'


def _error(part: PartResult) -> tuple[float, float]:
  """Returns how far the interval reaches to either side of the mean."""
  low, high = part.known_interval or (np.nan, np.nan)
  return max(part.mean - low, 0), max(high - part.mean, 0)


def _references(axes: Any, places: Any, systems: Sequence[System]) -> None:
  """Draws the share of the most frequent answer, and the paper's values."""
  majority = {'label': 'most frequent answer', **_TICK}
  for row, place in places.items():
    part = next(s.parts[row] for s in systems if row in s.parts)
    if part.majority_rate is not None and part.metric == 'accuracy':
      axes.plot(part.majority_rate, place, **majority)
    published = _as_the_paper(part) and paper.find(row, FLAN, ZERO)
    if published:
      recalled = published.provenance == 'recalled'
      axes.plot(published.value, place, **paper_marker(recalled))


def _as_the_paper(part: PartResult) -> bool:
  """Whether a result is zero-shot and in the paper's protocol.

  It may be of some of the rows; the caption then says so.
  """
  whole = dataclasses.replace(part, available_rows=part.rows)
  return not part.shots and not protocol_gap(whole)


def _alt(systems: Sequence[System], rows: Sequence[tuple[str, str]]) -> str:
  texts = []
  for system in systems:
    means = [part.mean for part in system.parts.values()]
    texts.append(f'{system.label} {np.mean(means):.1f}')
  text = (
    f'{counted(len(rows), "dataset")}; mean over datasets: {", ".join(texts)}.'
  )
  if len(systems) > 1:
    text += f' {_comparison(systems[0], systems[1])}'
  return text


def _comparison(first: System, second: System) -> str:
  both = [row for row in first.parts if row in second.parts]
  higher = sum(second.parts[r].mean > first.parts[r].mean for r in both)
  return (
    f'{second.label} is above {first.label} on {higher} of '
    f'{counted(len(both), "dataset")}.'
  )


def valid_answers(name: str, systems: Sequence[System]) -> Drawing | None:
  """Draws how often a model writes one of the options, and the right one.

  The arguments are those of `dataset_means`.

  Returns:
    None if no model wrote answers to datasets with options.
  """
  known = {
    row
    for system in systems
    for row, part in system.parts.items()
    if part.written
  }
  rows = rows_of(systems, known)
  if not rows:
    return None
  chart = row_chart(rows, panels=2)
  places = dict(zip([row for _, row in rows], chart.places, strict=True))
  values: dict[str, list[float]] = {}
  for axes, key, title in zip(
    chart.panels,
    ('valid_options', 'accuracy'),
    ('writes one of the options, %', 'writes the right option, %'),
    strict=True,
  ):
    for number, system in enumerate(systems):
      shown = [
        (system.parts[row].written[key], place)
        for row, place in places.items()
        if row in system.parts and system.parts[row].written
      ]
      if not shown:
        continue
      if key == 'valid_options':
        values[system.label] = [value for value, _ in shown]
      style = look(number)
      axes.plot(
        *zip(*shown, strict=True),
        color=style.colour,
        marker=style.marker,
        markerfacecolor=style.colour if number else 'none',
        linestyle='none',
        label=system.label,
      )
    _connect(axes, places, systems, key)
    axes.set_xlim(-3, 103)
    axes.set_title(title)
  add_legend(chart.canvas)
  texts = [f'{label} {np.mean(found):.0f} %' for label, found in values.items()]
  return Drawing(
    name=name,
    title='Valid answers',
    alt='Mean share of written answers that are one of the options: '
    + ', '.join(texts)
    + f'; {counted(len(rows), "dataset")}.',
    caption='What a model writes freely where a dataset has options, in '
    'percent of the answers, mean over templates.',
    canvas=chart.canvas,
  )


def _connect(
  axes: Any, places: Any, systems: Sequence[System], key: str
) -> None:
  """Draws a line through the values of each row."""
  for row, place in places.items():
    found = [
      system.parts[row].written[key]
      for system in systems
      if row in system.parts and system.parts[row].written
    ]
    if len(found) > 1:
      axes.hlines(place, min(found), max(found), color=INK, lw=0.8, zorder=1)
