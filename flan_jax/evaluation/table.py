"""The tables that evaluations print."""

from collections.abc import Mapping, Sequence
from typing import Any

from flan_jax.evaluation import aggregation
from flan_jax.evaluation.part_result import PartResult

_HEADER = (
  'part',
  'metric',
  'rows',
  'mean',
  '(std)',
  '95 % interval',
  'best validation',
  'template',
  'majority',
  'macro F1',
  'top share',
  'split',
)

_TEMPLATE_HEADER = (
  'part',
  'metric',
  'rows',
  'template',
  'value',
  '95 % interval',
  'majority',
  'macro F1',
  'top share',
)


def results_table(results: Sequence[PartResult]) -> str:
  """Returns results as a table, one line for each.

  `mean (std)` are over templates, and the interval is that of the mean. `best
  validation` is the test score of the template that is best on validation rows.
  `macro F1` and `top share`, the share of the most frequent prediction, are
  means over templates.
  """
  return layout(_HEADER, [_line(result) for result in results])


def templates_table(results: Sequence[PartResult]) -> str:
  """Returns results as a table, one line for each template.

  A star marks the template that is best on validation rows.
  """
  lines = []
  for result in results:
    best = (result.best_validation or {}).get('template')
    for index, template in result.templates.items():
      lines.append(
        (
          _name(result),
          result.metric,
          _rows(result, template['rows']),
          f'{"*" if index == best else ""}t{index}',
          _number(template[result.metric]),
          _interval(template['interval']),
          _number(result.majority_rate),
          _number(template.get('macro_f1')),
          _number(template['most_frequent_prediction']),
        )
      )
  return layout(_TEMPLATE_HEADER, lines)


def clusters_table(means: Sequence[Mapping[str, Any]]) -> str:
  """Returns the paper's means over clusters as a table, '' if there are none.

  Args:
    means: The results of `clusters.cluster_means`.
  """
  lines = []
  for mean in means:
    found, missing = len(mean['members']), len(mean['missing'])
    lines.append(
      (
        _variant(mean['cluster'], mean['shots'], mean['format']),
        f'{found} of {found + missing}',
        _number(mean['mean']),
        _number(mean['best_validation']),
        ', '.join(mean['missing']) or '-',
      )
    )
  header = (
    'mean of the paper',
    'members',
    'mean',
    'best validation',
    'missing',
  )
  return layout(header, lines) if lines else ''


def clean_table(results: Sequence[PartResult]) -> str:
  """Returns results on rows that pretraining has not seen as a table."""
  lines = []
  for result in results:
    clean = result.clean
    if clean is None:
      continue
    known = clean['mean'] is not None
    lines.append(
      (
        _name(result),
        result.metric,
        str(clean['contaminated_rows']),
        str(clean['rows']),
        _number(result.mean),
        _number(clean['mean']),
        _interval(clean['interval']),
        f'{clean["mean"] - result.mean:+.1f}' if known else '-',
      )
    )
  header = (
    'part',
    'metric',
    'contaminated',
    'clean rows',
    'mean',
    'clean mean',
    '95 % interval',
    'difference',
  )
  return layout(header, lines) if lines else ''


def written_table(results: Sequence[PartResult]) -> str:
  """Returns what was written where options are ranked as a table."""
  lines = [
    (
      _name(result),
      result.metric,
      _number(result.mean),
      _number(result.written['accuracy']),
      _number(result.written['valid_options']),
    )
    for result in results
    if result.written is not None
  ]
  header = ('part', 'metric', 'ranked', 'written: accuracy', 'valid options')
  return layout(header, lines) if lines else ''


def checkpoints_table(
  found: Sequence[tuple[str, str, Sequence[PartResult]]],
) -> str:
  """Returns means as a table, one line for each checkpoint, mixture, metric.

  Args:
    found: Checkpoint, mixture and results of each evaluation.
  """
  lines = [
    (label, mixture, metric, str(mean['parts']), _number(mean['mean']))
    for label, mixture, results in found
    for metric, mean in aggregation.summary(results).items()
  ]
  return layout(('checkpoint', 'mixture', 'metric', 'parts', 'mean'), lines)


def layout(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
  """Returns lines in aligned columns, all but the first two to the right."""
  lines = [header, *lines]
  widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
  text = []
  for line in lines:
    cells = [
      cell.ljust(width) if i < 2 else cell.rjust(width)
      for i, (cell, width) in enumerate(zip(line, widths, strict=True))
    ]
    text.append('  '.join(cells).rstrip())
  text.insert(1, '-' * max(map(len, text)))
  return '\n'.join(text)


def _line(result: PartResult) -> tuple[str, ...]:
  best = result.best_validation
  templates = result.templates.values()
  return (
    _name(result),
    result.metric,
    _rows(result, result.rows),
    _number(result.mean),
    f'({_number(result.std)})',
    _interval(result.interval),
    _number(best['test'] if best else None),
    f't{best["template"]}' if best else '-',
    _number(result.majority_rate),
    _mean([t.get('macro_f1') for t in templates]),
    _mean([t['most_frequent_prediction'] for t in templates]),
    result.split,
  )


def _name(result: PartResult) -> str:
  """Returns part, group of templates, exemplars and format as one name."""
  name = result.part
  if result.group:
    name += f' {result.group}'
  return _variant(name, result.shots, result.format)


def _variant(name: str, shots: int, form: str) -> str:
  """Adds exemplars and format to a name."""
  if shots:
    name += f'.{shots}shot'
  if form != 'instructions':
    name += f'.{form}'
  return name


def _rows(result: PartResult, rows: int) -> str:
  """Returns the number of rows, and of how many if rows were limited."""
  if rows < result.available_rows and result.max_rows is not None:
    return f'{rows} of {result.available_rows}'
  return str(rows)


def _number(value: float | None) -> str:
  return '-' if value is None else f'{value:.1f}'


def _interval(interval: Sequence[float] | None) -> str:
  if interval is None:
    return '-'
  return f'[{interval[0]:.1f}, {interval[1]:.1f}]'


def _mean(values: Sequence[float | None]) -> str:
  known = [value for value in values if value is not None]
  return _number(sum(known) / len(known) if known else None)
