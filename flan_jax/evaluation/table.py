"""The tables that evaluations print."""

from collections.abc import Mapping, Sequence
from typing import Any

from flan_jax.evaluation import aggregation
from flan_jax.evaluation.metrics.intervals import TOO_FEW
from flan_jax.evaluation.part_result import PartResult
from flan_jax.rendering.exemplars import too_few_text
from flan_jax.terminal.blocks import Paragraph, Table

# What narrow terminals leave out first. Files have all columns.
_LEAST = ('top share', 'macro F1', 'majority')


def results_table(results: Sequence[PartResult]) -> Table:
  """Returns results as a table; `docs/evaluation.md` describes the columns."""
  lines = []
  few_shot = any(result.shots for result in results)
  for result in results:
    best = result.best_validation or {'test': None, 'template': None}
    templates = result.templates.values()
    lines.append(
      {
        **_labels(result),
        'rows': _rows(result, result.rows),
        **({'exemplars': _exemplars(result)} if few_shot else {}),
        'mean': _number(result.mean),
        '(std)': f'({_number(result.std)})',
        '95 % interval': _interval(result.interval),
        'best validation': _number(best['test']),
        'template': '-' if best['template'] is None else f't{best["template"]}',
        'majority': _number(result.majority_rate),
        'macro F1': _mean([t.get('macro_f1') for t in templates]),
        'top share': _mean([t['most_frequent_prediction'] for t in templates]),
        'split': result.split,
      }
    )
  return Table.of(
    lines,
    optional=(*_LEAST, 'template', 'split', 'best validation', '(std)', 'rows'),
  )


def exemplar_warnings(results: Sequence[PartResult]) -> list[Paragraph]:
  """Names the parts whose prompts have too few exemplars, and the fix."""
  return [
    Paragraph(
      too_few_text(result.name, result.shots, result.exemplars['mean']),
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
        'missing': ', '.join(_missing(mean)) or '-',
      }
    )
  return Table.of(lines, optional=('figure', 'missing', 'best validation'))


def _missing(mean: Mapping[str, Any]) -> list[str]:
  few = mean['too_few']
  return [f'{m} ({TOO_FEW})' if m in few else m for m in mean['missing']]


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
