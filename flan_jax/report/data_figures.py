"""What a training run saw: tokens of clusters, lengths, and what was cut."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from flan_jax.report.drawing import (
  LOOKS,
  Drawing,
  add_legend,
  new_canvas,
  shorten,
)
from flan_jax.terminal.blocks import counted

_BAR = 0.26  # Of the distance between clusters.
_FIELDS = {'inputs': 'input_lengths', 'targets': 'target_lengths'}


def cluster_shares(
  name: str, title: str, data: Mapping[str, Any]
) -> Drawing | None:
  """Draws the share of each cluster, as planned and as drawn.

  Args:
    name: Name of the figure.
    title: Its title.
    data: The content of `data.json`.

  Returns:
    None if there are no clusters.
  """
  clusters = data.get('clusters') or {}
  if not clusters:
    return None
  order = sorted(clusters, key=lambda c: -clusters[c]['planned_rate'])
  series = {
    'planned share of examples': [clusters[c]['planned_rate'] for c in order],
    'share of examples seen': _shares(clusters, order, 'drawn_examples'),
    'share of tokens seen': _shares(clusters, order, 'drawn_tokens'),
  }
  canvas, axes = new_canvas(0.45 * len(order) + 0.9)
  places = np.arange(len(order))
  for number, (label, shares) in enumerate(series.items()):
    if shares is not None:
      look = LOOKS[number]
      axes.barh(
        places + (number - 1) * _BAR,
        100 * np.array(shares),
        0.9 * _BAR,
        label=label,
        facecolor=look.colour if not look.hatch else 'none',
        edgecolor=look.colour,
        hatch=look.hatch,
      )
  axes.set_yticks(places, [shorten(cluster, 36) for cluster in order])
  axes.tick_params(axis='y', length=0)
  axes.grid(visible=False, axis='y')
  axes.set_ylim(len(order) - 0.4, -0.6)
  axes.set_xlabel('share of the training data, %')
  for place, cluster in zip(places, order, strict=True):
    tokens = clusters[cluster]['drawn_tokens']
    longest = max(s[place] for s in series.values() if s is not None)
    axes.annotate(
      f'{_count(tokens)} tokens',
      (100 * longest, place),
      xytext=(6, 0),
      textcoords='offset points',
      va='center',
      fontsize=7.5,
    )
  axes.set_xlim(0, 118 * max(max(s) for s in series.values() if s))
  add_legend(canvas)
  return Drawing(
    name=name,
    title=title,
    alt=_alt(series, order, clusters),
    caption=_counted_over(data)
    + 'Examples are drawn in the planned shares; tokens depend on their '
    'lengths, so that clusters of long examples have a larger share of them.',
    canvas=canvas,
  )


def _counted_over(data: Mapping[str, Any]) -> str:
  steps = data.get('steps')
  return f'Counted over {counted(steps, "step")}. ' if steps else ''


def _shares(
  clusters: Mapping[str, Any], order: list[str], key: str
) -> list[float] | None:
  total = sum(clusters[cluster][key] for cluster in order)
  return [clusters[c][key] / total for c in order] if total else None


def _count(number: float) -> str:
  """Returns a number with three digits and its unit.

  >>> _count(950), _count(1234567)
  ('950', '1.23 M')
  """
  for unit, size in (('G', 1e9), ('M', 1e6), ('k', 1e3)):
    if number >= size:
      return f'{number / size:.3g} {unit}'
  return f'{number:.0f}'


def _alt(
  series: Mapping[str, Any], order: list[str], clusters: Mapping[str, Any]
) -> str:
  total = sum(clusters[cluster]['drawn_tokens'] for cluster in order)
  planned, _, tokens = series.values()
  lines = [
    f'{cluster} {100 * planned[n]:.0f} % planned'
    + ('' if tokens is None else f', {100 * tokens[n]:.0f} % of tokens')
    for n, cluster in enumerate(order)
  ]
  size = counted(len(order), 'cluster')
  return f'{_count(total)} tokens of {size}: {"; ".join(lines)}.'


def lengths(name: str, title: str, data: Mapping[str, Any]) -> Drawing | None:
  """Draws the lengths of inputs and targets, and how many were cut.

  The arguments are those of `cluster_shares`.

  Returns:
    None if there are no lengths.
  """
  found = {field: data[key] for field, key in _FIELDS.items() if data.get(key)}
  if not found:
    return None
  canvas, panels = new_canvas(2.5, 1, len(found), squeeze=False)
  texts, cut = [], data.get('cut') or {}
  for number, (field, histogram) in enumerate(found.items()):
    axes, look = panels[0, number], LOOKS[number]
    edges, counts = (np.array(histogram[key]) for key in ('edges', 'counts'))
    axes.stairs(
      counts,
      edges,
      fill=not look.hatch,
      facecolor=look.colour if not look.hatch else 'none',
      edgecolor=look.colour,
      hatch=look.hatch,
    )
    text = f'{_count(counts.sum())} {field}'
    if cut.get('of'):
      text += f', {100 * cut[field] / cut["of"]:.2g} % cut'
    axes.set_title(text)
    axes.set_xlabel('tokens')
    texts.append(f'{text}, the median between {_median(edges, counts)} tokens')
  panels[0, 0].set_ylabel('examples')
  return Drawing(
    name=name,
    title=title,
    alt=f'Lengths of {"; ".join(texts)}.',
    caption='Lengths after cutting. A text that is longer than '
    'TASK_FEATURE_LENGTHS is cut.',
    canvas=canvas,
  )


def _median(edges: np.ndarray, counts: np.ndarray) -> str:
  place = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
  return f'{edges[place]:g} and {edges[place + 1]:g}'
