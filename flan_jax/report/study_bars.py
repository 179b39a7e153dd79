"""Figures 8 and 10 of the paper, with the results of our studies."""

from collections.abc import Sequence
import dataclasses

from matplotlib import figure as mpl
import numpy as np

from flan_jax.report.drawing import (
  INK,
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
from flan_jax.studies.ablation_panels import TABLE_3
from flan_jax.studies.prompt_panel import BARS
from flan_jax.studies.published_curves import (
  FIGURE_10,
  PROMPT_TUNING_DATASETS,
)


@dataclasses.dataclass(frozen=True)
class Bars:
  """Bars of one colour.

  Attributes:
    label: What they are.
    values: One for each group, in percent; None where there is none.
    paper: The paper's, with whether it is recalled; None where there is none.
  """

  label: str
  values: Sequence[float | None]
  paper: Sequence[tuple[float, bool] | None]


def instruction_bars(name: str, study: StudyJson) -> Drawing | None:
  """Draws what instructions contribute (figure 8 and table 3).

  Args:
    name: Name of the figure.
    study: A study whose panel is `instructions`.

  Returns:
    None if there is no number yet.
  """
  lines = study['panel']['means']
  clusters = [*study['design']['holdouts'], 'overall']
  with_paper = comparable(study)
  series = []
  for line, (_, _, system, form) in zip(lines, TABLE_3, strict=True):
    series.append(
      Bars(
        f'tuned: {line["tuned with"]}, asked: {line["evaluated with"]}',
        [line[cluster] for cluster in clusters],
        [
          _published(
            line[f'paper {cluster}'], with_paper, system, form, cluster
          )
          for cluster in clusters
        ],
      )
    )
  if not _any(series):
    return None
  return Drawing(
    name=name,
    title='What instructions contribute',
    alt=_alt(clusters, series),
    caption="As the paper's figure 8 and table 3, of held-out clusters."
    f'{rows_note(rows_of_study(study))}',
    canvas=_draw(clusters, series),
  )


def _published(
  value: float | None, shown: bool, system: str, form: str, cluster: str
) -> tuple[float, bool] | None:
  if value is None or not shown:
    return None
  mean = printed_mean(
    figure='Table 3', system=system, format=form, cluster=cluster
  )
  return value, is_recalled(mean)


def prompt_tuning_bars(name: str, study: StudyJson) -> Drawing | None:
  """Draws the results of soft prompts (figure 10).

  The arguments are those of `instruction_bars`; the panel is `prompt_tuning`.
  """
  lines = study['panel']['prompts']
  about = ('arm', 'trained on', 'mean', 'paper')
  tasks = list(
    dict.fromkeys(key for line in lines for key in line if key not in about)
  )
  published = {(bar.system, bar.examples): bar for bar in FIGURE_10}
  series = []
  for line in lines:
    bar = published.get(BARS.get((line['arm'], line['trained on'])))
    paper = {}
    if bar and comparable(study):
      paper = dict(zip(PROMPT_TUNING_DATASETS, bar.values, strict=True))
      paper['mean'] = line['paper']
    groups = (*tasks, 'mean')
    found = [paper.get(task) for task in groups]
    series.append(
      Bars(
        f'{line["arm"]}, {line["trained on"]}',
        [line.get(task) for task in groups],
        # Nothing confirms the values of figure 10.
        [None if value is None else (value, True) for value in found],
      )
    )
  if not _any(series):
    return None
  return Drawing(
    name=name,
    title='Soft prompts',
    alt=_alt([*tasks, 'mean'], series),
    caption="As the paper's figure 10: a prompt of each task is tuned on a "
    'frozen model, whose own tuning held out the cluster of the task.'
    f'{rows_note(rows_of_study(study))}',
    canvas=_draw([*tasks, 'mean'], series),
  )


def _any(series: Sequence[Bars]) -> bool:
  return any(value is not None for bars in series for value in bars.values)


def _draw(groups: Sequence[str], series: Sequence[Bars]) -> mpl.Figure:
  canvas, axes = new_canvas(3.2)
  width = 0.8 / len(series)
  for number, bars in enumerate(series):
    style = look(number)
    xs = np.arange(len(groups)) + (number - (len(series) - 1) / 2) * width
    axes.bar(
      xs,
      [np.nan if value is None else value for value in bars.values],
      0.9 * width,
      label=bars.label,
      facecolor=style.colour if not style.hatch else 'none',
      edgecolor=style.colour,
      hatch=style.hatch,
    )
    for x, value, published in zip(xs, bars.values, bars.paper, strict=True):
      if value is not None and published is not None:
        axes.plot(x, published[0], **paper_marker(published[1]))
  axes.grid(visible=False, axis='x')
  axes.set_xticks(range(len(groups)), [_wrapped(group) for group in groups])
  axes.tick_params(axis='x', length=0)
  axes.set_ylim(bottom=0)
  axes.set_ylabel('%')
  if groups[-1] in ('mean', 'overall') and len(groups) > 1:
    axes.axvline(len(groups) - 1.5, color=INK, linewidth=0.6, alpha=0.5)
  add_legend(canvas)
  return canvas


def _wrapped(name: str) -> str:
  return name if len(name) < 12 else name.replace('_', '\n')


def _alt(groups: Sequence[str], series: Sequence[Bars]) -> str:
  """Returns the last group, which is the mean, or the first that is known."""
  known = [
    n
    for n in reversed(range(len(groups)))
    if any(bars.values[n] is not None for bars in series)
  ]
  texts = [
    f'{bars.label} {bars.values[known[0]]:.1f}'
    for bars in series
    if bars.values[known[0]] is not None
  ]
  return f'{groups[known[0]]}: {"; ".join(texts)}.'
