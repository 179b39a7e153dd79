"""The tables that evaluations print."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.evaluation import aggregation
from flan_jax.evaluation.metrics.intervals import TOO_FEW
from flan_jax.evaluation.part_result import PartResult
from flan_jax.rendering.exemplars import too_few_text
from flan_jax.terminal.blocks import Block, Paragraph, Table

# What narrow terminals leave out first. Files have all columns.
_LEAST = ('macro F1', 'top share', 'majority')
_LEGEND = (
  'best: the test score of the template that is best on validation rows, and '
  'its number. majority: share of the most frequent right answer, which needs '
  'no model. macro F1: mean F1 over classes. top share: share of the most '
  'frequent prediction; near 100, the model gives one answer to all rows. '
  'verdict: whether the 95 % interval of an accuracy lies above the majority.'
)
_STYLES = {'above majority': 'green', 'below majority': 'red'}


def results_table(results: Sequence[PartResult]) -> Table:
  """Returns results as a table; `legend` describes the columns."""
  lines = []
  few_shot = any(result.shots for result in results)
  for result in results:
    best, templates = result.best_validation, result.templates.values()
    lines.append(
      {
        **_labels(result),
        'rows': _rows(result, result.rows),
        **({'exemplars': _exemplars(result)} if few_shot else {}),
        'mean': _number(result.mean),
        '(std)': f'({_number(result.std)})',
        '95 % interval': _interval(result.known_interval),
        'best': (
          f'{_number(best["test"])} t{best["template"]}' if best else '-'
        ),
        'majority': _number(result.majority_rate),
        'macro F1': _mean([t.get('macro_f1') for t in templates]),
        'top share': _mean([t['most_frequent_prediction'] for t in templates]),
        'verdict': result.verdict or '-',
      }
    )
  return Table.of(
    lines,
    optional=(*_LEAST, 'best', '(std)', 'rows'),
    styles=[_STYLES.get(result.verdict, '') for result in results],
  )


def legend(results: Sequence[PartResult]) -> list[Block]:
  """Returns what the columns of `results_table` mean, and what to beware of."""
  if not results:
    return []
  adapted = [result for result in results if result.adapted]
  found: list[Block] = ['', Paragraph(_LEGEND), *exemplar_warnings(results)]
  if adapted:
    found.append('not the recorded rows, so not comparable with the paper:')
  for result in adapted:
    reasons = ', '.join(f'{k}: {v}' for k, v in result.adapted.items())
    found.append(f'  {result.name}: {reasons}')
  return found


def exemplar_warnings(results: Sequence[PartResult]) -> list[Paragraph]:
  """Names the parts whose prompts have too few exemplars, and the fix."""
  return [
    Paragraph(
      too_few_text(
        result.name,
        result.shots,
        result.exemplars['mean'],
        result.exemplars.get('found'),
      ),
      style='yellow',
    )
    for result in results
    if result.lacks_exemplars
  ]


def templates_table(results: Sequence[PartResult]) -> Table:
  """Returns results as a table, one line for each template.

  A star marks the template that is best on validation rows.
  """
  lines = []
  for result in results:
    best = (result.best_validation or {}).get('template')
    for index, template in result.templates.items():
      lines.append(
        {
          **_labels(result),
          'rows': _rows(result, template['rows']),
          'template': f'{"*" if index == best else ""}t{index}',
          'value': _number(template[result.metric]),
          '95 % interval': _interval(template['interval']),
          'majority': _number(result.majority_rate),
          'macro F1': _number(template.get('macro_f1')),
          'top share': _number(template['most_frequent_prediction']),
        }
      )
  return Table.of(lines, optional=(*_LEAST, 'rows'))


def clusters_table(means: Sequence[Mapping[str, Any]]) -> Table:
  """Returns the means of `clusters.cluster_means` as a table."""
  lines = []
  for mean in means:
    found, missing = len(mean['members']), mean['missing']
    name = _variant(mean['cluster'], mean['shots'], mean['format'])
    lines.append(
      {
        'mean of the paper': name,
        'figure': mean['figure'],
        'members': f'{found} of {found + len(missing)}',
        'mean': _number(mean['mean']),
        '95 % interval': _interval(mean['interval']),
        'best validation': _number(mean['best_validation']),
        'FLAN 137B': _number(mean['paper']),
      }
    )
  made = Table.of(lines, optional=('figure', 'best validation'))
  rows = [
    dataclasses.replace(row, note=_missing(mean))
    for row, mean in zip(made.rows, means, strict=True)
  ]
  return dataclasses.replace(made, rows=rows)


def _missing(mean: Mapping[str, Any]) -> Paragraph | None:
  """Returns which members a mean of the paper lacks."""
  few, missing = mean['too_few'], mean['missing']
  names = [f'{m} ({TOO_FEW})' if m in few else m for m in missing]
  return Paragraph(f'missing: {", ".join(names)}', '  ') if names else None


def clean_table(results: Sequence[PartResult]) -> Table:
  """Returns results on rows that pretraining has not seen as a table."""
  lines = []
  for result in results:
    if (clean := result.clean) is None:
      continue
    mean = clean['mean']
    lines.append(
      {
        **_labels(result),
        'contaminated': str(clean['contaminated_rows']),
        'clean rows': str(clean['rows']),
        'mean': _number(result.mean),
        'clean mean': _number(mean),
        '95 % interval': _interval(clean['interval']),
        'difference': '-' if mean is None else f'{mean - result.mean:+.1f}',
      }
    )
  return Table.of(lines, optional=('mean', 'clean rows'))


def written_table(results: Sequence[PartResult]) -> Table:
  """Returns what was written where options are ranked as a table."""
  return Table.of(
    [
      {
        **_labels(result),
        'ranked': _number(result.mean),
        'written: accuracy': _number(result.written['accuracy']),
        'valid options': _number(result.written['valid_options']),
      }
      for result in results
      if result.written is not None
    ]
  )


def checkpoints_table(
  found: Sequence[tuple[str, str, Sequence[PartResult]]],
) -> Table:
  """Returns means as a table, one line for each checkpoint, mixture, metric.

  `found` holds the checkpoint, mixture and results of each evaluation.
  """
  return Table.of(
    [
      {
        'checkpoint': label,
        'mixture': mixture,
        'metric': metric,
        'parts': str(mean['parts']),
        'mean': _number(mean['mean']),
        '95 % interval': _interval(mean['interval']),
      }
      for label, mixture, results in found
      for metric, mean in aggregation.summary(results).items()
    ]
  )


def _labels(result: PartResult) -> dict[str, str]:
  name = _variant(result.name, result.shots, result.format)
  return {'part': name, 'metric': result.metric}


def _variant(name: str, shots: int, form: str) -> str:
  """Adds exemplars and format to a name."""
  if shots:
    name += f'.{shots}shot'
  return name if form == 'instructions' else f'{name}.{form}'


def _rows(result: PartResult, rows: int) -> str:
  """Returns the number of rows, and of how many if rows were limited."""
  if rows < result.available_rows and result.max_rows is not None:
    return f'{rows} of {result.available_rows}'
  return str(rows)


def _exemplars(result: PartResult) -> str:
  """Returns how many exemplars prompts have: mean, and least if fewer."""
  if result.exemplars is None:
    return '-'
  mean, least = result.exemplars['mean'], result.exemplars['least']
  return f'{mean:.1f}' if least == mean else f'{mean:.1f}, least {least}'


def _number(value: float | None) -> str:
  return '-' if value is None else f'{value:.1f}'


def _interval(interval: Sequence[float] | None) -> str:
  if interval is None:
    return '-'
  return f'[{interval[0]:.1f}, {interval[1]:.1f}]'


def _mean(values: Sequence[float | None]) -> str:
  known = [value for value in values if value is not None]
  return _number(sum(known) / len(known) if known else None)
