"""The main result of our studies beside the paper's, and the controls."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flan_jax.evaluation.metrics.text_metrics import LOWER_IS_BETTER
from flan_jax.evaluation.paper_means import mean_for
from flan_jax.report.drawing import (
  INK,
  LOOKS,
  Drawing,
  add_legend,
  look,
  paper_marker,
)
from flan_jax.report.protocol import StudyJson, rows_note, rows_of_study
from flan_jax.report.row_chart import row_chart, stay_in_percent
from flan_jax.terminal.blocks import counted

# Series -> its columns in the tables of datasets and of clusters.
_SERIES = {
  'base, zero-shot': ('base', 'base zero-shot'),
  'tuned, zero-shot': ('tuned', 'tuned zero-shot'),
  'tuned, few-shot': ('tuned few-shot', 'tuned few-shot'),
  'base, few-shot': ('base few-shot', 'base few-shot'),
}

Line = Mapping[str, Any]


def main_rows(name: str, study: StudyJson) -> Drawing | None:
  """Draws every dataset before and after tuning (figure 5).

  Args:
    name: Name of the figure.
    study: A study whose panel is `main`.

  Returns:
    None if there is no number yet.
  """
  lines = _lines(study)
  series = {
    label: [line[key] for line in lines]
    for label, (key, _) in _SERIES.items()
    if any(line[key] is not None for line in lines)
  }
  if not series:
    return None
  chart = row_chart(
    [(line['cluster'], line['row']) for line in lines],
    series=len(series),
    distance=0.2,
  )
  axes, places = chart.panels[0], chart.places
  for (label, values), shift in zip(series.items(), chart.offsets, strict=True):
    style = look([*_SERIES].index(label))
    levels = np.array(places) + shift
    known = [np.nan if value is None else value for value in values]
    axes.plot(
      *(known, levels),
      color=style.colour,
      marker=style.marker,
      markersize=5,
      linestyle='none',
      label=label,
    )
    if label == 'tuned, zero-shot':
      stds = [line['std'] or 0 for line in lines]
      axes.errorbar(
        *(known, levels),
        xerr=stds,
        fmt='none',
        ecolor=style.colour,
        elinewidth=1.1,
      )
  stay_in_percent(axes, (v for found in series.values() for v in found if v))
  for line, place in zip(lines, places, strict=True):
    if line['paper'] is not None:
      axes.plot(line['paper'], place, **paper_marker(line['recalled']))
  axes.set_xlabel('mean over templates')
  add_legend(chart.canvas)
  return Drawing(
    name=name,
    title='Before and after tuning, beside the paper',
    alt=_main_alt(lines),
    caption=_main_caption(study, lines),
    canvas=chart.canvas,
  )


def _lines(study: StudyJson) -> list[dict[str, Any]]:
  """Returns datasets, and after those of a cluster its mean.

  The paper's value is None where our rows are not the recorded ones.
  """
  asked = rows_of_study(study)
  copies = {rows.part for rows in asked if not rows.recorded}
  panel, lines = study['panel'], []
  means = {line['cluster']: line for line in panel['clusters']}
  for cluster in dict.fromkeys(line['cluster'] for line in panel['datasets']):
    members = [line for line in panel['datasets'] if line['cluster'] == cluster]
    own_copies = [line for line in members if _part(line) in copies]
    for line in members:
      shown = line['paper'] is not None and line not in own_copies
      metric = line['metric']
      lines.append(
        {
          **line,
          'row': line['dataset']
          + ('' if metric == 'accuracy' else f', {metric}'),
          'paper': line['paper'] if shown else None,
          'recalled': line['paper is'] == 'recalled',
        }
      )
    if cluster in means:
      lines.append(_mean_line(cluster, means[cluster], not own_copies))
  return lines


def _part(line: Line) -> str:
  return line['dataset'].split()[0]


def _mean_line(cluster: str, means: Line, with_paper: bool) -> dict[str, Any]:
  published = mean_for(cluster, 'instructions', 0) if with_paper else None
  return {
    'cluster': cluster,
    'dataset': None,
    'row': 'mean of the cluster',
    'metric': None,
    'std': None,
    'paper': published and published.value,
    'recalled': bool(published) and published.provenance == 'recalled',
    **{key: means[of_means] for key, of_means in _SERIES.values()},
  }


def _main_alt(lines: Sequence[Line]) -> str:
  datasets = [line for line in lines if line['dataset']]
  both = [x for x in datasets if None not in (x['base'], x['tuned'])]
  text = f'{counted(len(datasets), "dataset")}.'
  if both:
    better = sum(
      (x['tuned'] < x['base'])
      if x['metric'] in LOWER_IS_BETTER
      else (x['tuned'] > x['base'])
      for x in both
    )
    base, tuned = (np.mean([x[key] for x in both]) for key in ('base', 'tuned'))
    text += (
      f' Zero-shot, the tuned model is better than the base model on {better} '
      f'of {len(both)}; the mean over datasets is {base:.1f} before and '
      f'{tuned:.1f} after tuning.'
    )
  beside = [x for x in datasets if None not in (x['tuned'], x['paper'])]
  if beside:
    above = sum(x['tuned'] > x['paper'] for x in beside)
    text += f" It is above the paper's value on {above} of {len(beside)}."
  return text


def _main_caption(study: StudyJson, lines: Sequence[Line]) -> str:
  lower = {line['metric'] for line in lines} & LOWER_IS_BETTER
  return (
    "As the paper's figure 5. The paper's values are zero-shot means over its "
    'templates. Lines are standard deviations over templates. The metric is '
    'accuracy, in percent, where none is named.'
    + ''.join(f' Less {metric} is better.' for metric in sorted(lower))
    + rows_note(rows_of_study(study))
  )


def control_rows(name: str, study: StudyJson) -> Drawing | None:
  """Draws the differences between arms, with their intervals.

  The arguments are those of `main_rows`; the panel is `controls`.
  """
  lines = study['panel']['endpoints']
  if not lines:
    return None
  rows = [(line['endpoint'], _pair(line, study)) for line in lines]
  chart = row_chart(rows, longest=60)
  axes = chart.panels[0]
  for shown, label in ((True, 'shown'), (False, 'not shown')):
    style = LOOKS[0] if shown else LOOKS[1]
    own = [
      (line, place)
      for line, place in zip(lines, chart.places, strict=True)
      if line['shown'] == shown
    ]
    if own:
      axes.plot(
        [line['difference'] for line, _ in own],
        [place for _, place in own],
        color=style.colour,
        marker=style.marker,
        markerfacecolor=style.colour if shown else 'none',
        linestyle='none',
        label=label,
      )
      axes.hlines(
        [place for _, place in own],
        [line['low'] for line, _ in own],
        [line['high'] for line, _ in own],
        color=style.colour,
        linewidth=1.1,
      )
  axes.axvline(0, color=INK, linewidth=0.8)
  axes.set_xlabel('first less second, percentage points')
  add_legend(chart.canvas)
  return Drawing(
    name=name,
    title='Controls',
    alt=_controls_alt(lines),
    caption='Lines are 95 % intervals over rows. A difference is shown if it '
    'is at least twice its standard error, over rows and seeds; only such a '
    'difference may be claimed.',
    canvas=chart.canvas,
  )


def _controls_alt(lines: Sequence[Line]) -> str:
  texts = []
  for endpoint in dict.fromkeys(line['endpoint'] for line in lines):
    own = [line for line in lines if line['endpoint'] == endpoint]
    above, below = (
      sum(line['shown'] and sign * line['difference'] > 0 for line in own)
      for sign in (1, -1)
    )
    texts.append(
      f'{endpoint}: of {counted(len(own), "difference")}, {above} are shown '
      f'above zero and {below} below'
    )
  return f'{"; ".join(texts)}.'


def _pair(line: Line, study: StudyJson) -> str:
  chosen = f' ({line["best"]})' if line['best'] else ''
  text = f'{line["first"]} less {line["second"]}{chosen}'
  if len(study['design']['holdouts']) > 1:
    text += f': {line["holdout"]}'
  return text
