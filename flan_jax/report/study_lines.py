"""Figures 6, 7, 9 and 11 of the paper, with the results of our studies."""

from collections.abc import Mapping, Sequence
import re
from typing import Any

import numpy as np

from flan_jax.report.drawing import (
  Drawing,
  add_legend,
  look,
  new_canvas,
  paper_marker,
)
from flan_jax.report.protocol import (
  StudyJson,
  comparable,
  is_recalled,
  printed_mean,
  rows_note,
  rows_of_study,
)
from flan_jax.terminal.blocks import counted

_SETTINGS = {'0': 'zero_shot_mean', '16': 'few_shot_mean'}
_UNITS = {'M': 1e6, 'B': 1e9}

Line = Mapping[str, Any]


def _plot(
  axes: Any, xs: Any, ys: Sequence[Any], number: int, label: str, **more
):
  """Plots a series. Values that are None are left out of the line."""
  style = look(number)
  axes.plot(
    xs,
    [np.nan if y is None else y for y in ys],
    **{
      'color': style.colour,
      'marker': style.marker,
      'linestyle': style.line,
      'label': label,
      **more,
    },
  )


def _known(lines: Sequence[Line], key: str) -> list[float]:
  return [line[key] for line in lines if line[key] is not None]


def _span(label: str, lines: Sequence[Line], key: str, name: str) -> str:
  """Returns the first and last known value of a series in words."""
  found = [line for line in lines if line[key] is not None]
  first, last = found[0], found[-1]
  text = f'{label} {first[key]:.1f} at {first[name]}'
  return text if first is last else f'{text}, {last[key]:.1f} at {last[name]}'


def cluster_lines(name: str, study: StudyJson) -> Drawing | None:
  """Draws results against the number of clusters in tuning (figure 6).

  Args:
    name: Name of the figure.
    study: A study whose panel is `clusters`.

  Returns:
    None if there is no number yet.
  """
  lines = study['panel']['means']
  clusters = [
    key for key in lines[0] if key not in ('clusters', 'mean', 'paper')
  ]
  if not any(_known(lines, key) for key in clusters):
    return None
  canvas, axes = new_canvas(3.4)
  counts = [int(line['clusters']) for line in lines]
  for number, cluster in enumerate(clusters):
    values = [line[cluster] for line in lines]
    _plot(axes, counts, values, number, cluster, linewidth=1)
  means = [line['mean'] for line in lines]
  _plot(axes, counts, means, len(clusters), 'mean', linewidth=2.2)
  if comparable(study):
    for line in lines:
      if line['paper'] is not None:
        system = f'FLAN, {line["clusters"]} clusters'
        mean = printed_mean(figure='Figure 6', system=system)
        axes.plot(
          int(line['clusters']),
          line['paper'],
          **paper_marker(is_recalled(mean)),
        )
  axes.set_xticks(counts)
  axes.set_xlabel('clusters of tuning data; 0 is the model before tuning')
  axes.set_ylabel('mean of held-out clusters, %')
  add_legend(canvas)
  shown = [key for key in (*clusters, 'mean') if _known(lines, key)]
  return Drawing(
    name=name,
    title='More clusters of tuning data',
    alt='By number of clusters: '
    + '; '.join(_span(key, lines, key, 'clusters') for key in shown)
    + '.',
    caption="As the paper's figure 6. The paper prints the mean of its "
    f'clusters only.{rows_note(rows_of_study(study))}',
    canvas=canvas,
  )


def _size(arm: str) -> tuple[str, str]:
  """Splits the name of an arm: `8B tuned` is the size `8B`, `tuned`."""
  size, _, state = arm.rpartition(' ')
  return size or arm, state


def _parameters(size: str) -> float | None:
  """Returns the number that a size begins with, such as 8e9 of `8B`."""
  found = re.match(r'([\d.]+) ?([MB])', size)
  return float(found[1]) * _UNITS[found[2]] if found else None


def scale_lines(name: str, study: StudyJson) -> Drawing | None:
  """Draws results against the size of the model (figure 7), and BLOOMZ's.

  The arguments are those of `cluster_lines`; the panel is `scale`.
  """
  lines = study['panel']['means']
  if not _known(lines, 'mean'):
    return None
  published = study['panel']['BLOOM and BLOOMZ, as published']
  clusters = list(dict.fromkeys(point['cluster'] for point in published))
  canvas, panels = new_canvas(4.8, 2, 2)
  _draw_ours(panels.flat[0], lines)
  for axes, cluster in zip(panels.flat[1:], clusters, strict=False):
    points = [point for point in published if point['cluster'] == cluster]
    sizes = [point['parameters'] for point in points]
    for number, state in enumerate(('base', 'tuned')):
      values = [point[f'{state}_median'] for point in points]
      _plot(axes, sizes, values, number, state)
    axes.set_title(f'BLOOM and BLOOMZ, {cluster}')
    _size_axis(axes, sizes)
  add_legend(canvas)
  return Drawing(
    name=name,
    title='Size of the model',
    alt='Mean over held-out datasets: '
    + '; '.join(
      f'{line["model"]} {line["mean"]:.1f}'
      for line in lines
      if line['mean'] is not None
    )
    + '.',
    caption="As the paper's figure 7, which prints no numbers: our mean over "
    'templates, and the template that is best on validation rows as a hollow '
    'mark. The other panels show published medians over prompts of BLOOM and '
    'BLOOMZ, whose datasets and mixture are others.'
    f'{rows_note(rows_of_study(study))}',
    canvas=canvas,
  )


def _draw_ours(axes: Any, lines: Sequence[Line]) -> None:
  """Draws a line for models before tuning, and one for those after."""
  sizes = list(dict.fromkeys(_size(line['model'])[0] for line in lines))
  numbers = [_parameters(size) for size in sizes]
  ordinal = None in numbers
  places = dict(
    zip(sizes, range(len(sizes)) if ordinal else numbers, strict=True)
  )
  states = dict.fromkeys(_size(line['model'])[1] for line in lines)
  for number, state in enumerate(states):
    own = [line for line in lines if _size(line['model'])[1] == state]
    xs = [places[_size(line['model'])[0]] for line in own]
    _plot(axes, xs, [line['mean'] for line in own], number, state)
    best = [line['best'] for line in own]
    style = {'linestyle': 'none', 'markerfacecolor': 'none'}
    _plot(axes, xs, best, number, f'{state}, best template', **style)
  axes.set_title('ours')
  if ordinal:
    axes.set_xticks(range(len(sizes)), sizes)
    axes.margins(x=0.2)
  else:
    _size_axis(axes, numbers)


def _size_axis(axes: Any, sizes: Sequence[float]) -> None:
  axes.set_xscale('log')
  axes.set_xticks(sizes, [_size_name(size) for size in sizes])
  axes.minorticks_off()
  axes.margins(x=0.12)
  axes.set_xlabel('parameters')


def _size_name(parameters: float) -> str:
  """Returns a number of parameters in words, such as 2B."""
  unit = 'B' if parameters >= 1e9 else 'M'
  return f'{parameters / _UNITS[unit]:g}{unit}'


def fewshot_lines(name: str, study: StudyJson) -> Drawing | None:
  """Draws results against the number of exemplars (figure 9).

  The arguments are those of `cluster_lines`; the panel is `fewshot`.
  """
  lines = study['panel']['means']
  if not _known(lines, 'mean'):
    return None
  clusters = list(dict.fromkeys(line['cluster'] for line in lines))
  columns = min(3, len(clusters))
  rows = -(-len(clusters) // columns)
  canvas, panels = new_canvas(2.0 * rows + 0.5, rows, columns, squeeze=False)
  for axes in panels.flat[len(clusters) :]:
    axes.set_axis_off()
  labels = list(dict.fromkeys(line['exemplars'] for line in lines))
  for axes, cluster in zip(panels.flat, clusters, strict=False):
    own = [line for line in lines if line['cluster'] == cluster]
    _draw_cluster(axes, own, labels, comparable(study))
    axes.set_title(cluster)
  canvas.supxlabel('exemplars', fontsize=9)
  add_legend(canvas)
  return Drawing(
    name=name,
    title='Exemplars at tuning and at inference',
    alt=f'Mean of {counted(len(clusters), "held-out cluster")}: '
    f'{_by_arm(lines)}.',
    caption="As the paper's figure 9. Bars are standard deviations over "
    f'templates, in the mean over datasets.{rows_note(rows_of_study(study))}',
    canvas=canvas,
  )


def _by_arm(lines: Sequence[Line]) -> str:
  """Returns the mean over clusters of each arm and number of exemplars."""
  found: dict[str, list[float]] = {}
  for line in lines:
    if line['mean'] is not None:
      key = f'{line["arm"]}, {line["exemplars"]} exemplars'
      found.setdefault(key, []).append(line['mean'])
  return '; '.join(
    f'{key} {np.mean(means):.1f}' for key, means in found.items()
  )


def _draw_cluster(
  axes: Any, lines: Sequence[Line], labels: Sequence[str], with_paper: bool
) -> None:
  """Draws the arms of one cluster, a little apart from each other."""
  arms = list(dict.fromkeys(line['arm'] for line in lines))
  for number, arm in enumerate(arms):
    own = [line for line in lines if line['arm'] == arm]
    shift = 0.12 * (number - (len(arms) - 1) / 2)
    xs = [labels.index(line['exemplars']) + shift for line in own]
    _plot(axes, xs, [line['mean'] for line in own], number, arm)
    axes.errorbar(
      xs,
      [np.nan if line['mean'] is None else line['mean'] for line in own],
      yerr=[line['std'] or 0 for line in own],
      fmt='none',
      ecolor=look(number).colour,
      elinewidth=1,
    )
    for x, line in zip(xs, own, strict=True):
      if with_paper and line['paper'] is not None:
        mean = printed_mean(
          figure='Figure 9',
          cluster=line['cluster'],
          setting=_SETTINGS[line['exemplars']],
        )
        axes.plot(x, line['paper'], **paper_marker(is_recalled(mean)))
  axes.set_xticks(range(len(labels)), labels)
  axes.margins(x=0.15, y=0.1)


def template_lines(name: str, study: StudyJson) -> Drawing | None:
  """Draws results against datasets and templates in tuning (figure 11).

  The arguments are those of `cluster_lines`; the panel is `templates`.
  """
  lines = study['panel']['means']
  datasets, templates = 'datasets a cluster', 'templates a dataset'
  keys = [key for key in lines[0] if key not in (datasets, templates)]
  keys = [key for key in ('mean', *keys[:-1]) if _known(lines, key)]
  if not keys:
    return None
  columns = min(2, len(keys))
  rows = -(-len(keys) // columns)
  canvas, panels = new_canvas(2.2 * rows + 0.4, rows, columns, squeeze=False)
  for axes in panels.flat[len(keys) :]:
    axes.set_axis_off()
  counts = sorted({line[datasets] for line in lines})
  for axes, key in zip(panels.flat, keys, strict=False):
    for number, count in enumerate(counts):
      own = sorted(
        (line for line in lines if line[datasets] == count),
        key=lambda line: line[templates],
      )
      label = f'{count} dataset{"s" * (count > 1)} a cluster'
      xs = [line[templates] for line in own]
      _plot(axes, xs, [line[key] for line in own], number, label)
    axes.set_title('mean of the clusters' if key == 'mean' else key)
    axes.set_xticks(sorted({line[templates] for line in lines}))
  canvas.supxlabel('templates a dataset', fontsize=9)
  add_legend(canvas)
  return Drawing(
    name=name,
    title='More datasets a cluster, and more templates a dataset',
    alt=f'{"Mean of the clusters" if keys[0] == "mean" else keys[0]}: '
    + '; '.join(
      f'{line[datasets]} x {line[templates]}: {line[keys[0]]:.1f}'
      for line in lines
      if line[keys[0]] is not None
    )
    + ' (datasets a cluster x templates a dataset).',
    caption="As the paper's figure 11, of held-out clusters."
    f'{rows_note(rows_of_study(study))}',
    canvas=canvas,
  )
