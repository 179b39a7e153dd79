"""What tuning changed, on one screen: numbers first, then some answers."""

from collections.abc import Iterator, Mapping, Sequence
import textwrap
from typing import Any

import numpy as np

from flan_jax.evaluation.comparison import BETTER, WORSE
from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.evaluation.metrics.intervals import TOO_FEW
from flan_jax.evaluation.requests import equal_options
from flan_jax.terminal.blocks import Block, Line, Paragraph, Table, spaced

_COLUMNS = 79
_PARTS = 8
_EXAMPLES = 3
_LABEL = 8
_SHOWN = (BETTER, WORSE, TOO_FEW)
_STYLES = {BETTER: 'green', WORSE: 'red'}


def screen(
  before: Evaluation,
  after: Evaluation,
  comparisons: Sequence[Mapping[str, Any]],
) -> list[Block]:
  """Returns what changed between two evaluations of the same rows.

  Args:
    before: The evaluation of the initial parameters.
    after: The evaluation of the tuned parameters.
    comparisons: The objects of `comparison.compare`, of all parts.
  """
  return spaced(
    [
      _written(before.examples, after.examples),
      _scores(before, after, comparisons),
      *_examples(before.examples, after.examples),
      _remarks(after),
    ]
  )


def _written(*evaluated: Sequence[Mapping[str, Any]]) -> Table:
  """Tells how often free answers are options, before and after."""
  ranked = [[e for e in examples if e['options']] for examples in evaluated]
  rows = len(ranked[0])
  if not rows:
    return Table.of([])
  valid, right = (
    [100 * np.mean([hit(e) for e in examples]) for examples in ranked]
    for hit in (
      lambda e: bool(_options_written(e)),
      lambda e: e['gold'] in _options_written(e),
    )
  )
  title = f'free answers, percent of {rows} rows'
  return Table.of(
    [
      {title: name, '': '', 'before': f'{a:.0f}', 'after': f'{b:.0f}'}
      for name, (a, b) in (
        ('one of the options', valid),
        ('the right one', right),
      )
    ]
  )


def _options_written(example: Mapping[str, Any]) -> list[str]:
  options = example['options']
  return [options[n] for n in equal_options(options, example['written'])]


def _scores(
  before: Evaluation,
  after: Evaluation,
  comparisons: Sequence[Mapping[str, Any]],
) -> list[Block]:
  """Returns the parts whose scores changed most, and the mean of all."""
  metrics = dict.fromkeys(one['metric'] for one in comparisons)
  changes = [abs(one['difference']) for one in comparisons]
  most = sorted(np.argsort(changes, kind='stable')[::-1][:_PARTS].tolist())
  title = f'{next(iter(metrics), "")}, percent'
  lines = []
  for one in (comparisons[number] for number in most):
    name = ' '.join(filter(None, (one['part'], one['group'])))
    intervals = (
      next(r.known_interval for r in found.results if r.name == name)
      for found in (before, after)
    )
    values = map(_value, (one['before'], one['after']), intervals)
    if len(metrics) > 1:
      title, name = 'score', f'{name} {one["metric"]}'
    lines.append(_line(title, name, one['rows'], *values, one))
  if len(metrics) == 1 and len(comparisons) > 1:
    means = {
      key: float(np.mean([one[key] for one in comparisons]))
      for key in ('before', 'after', 'difference')
    }
    values = map(_value, (means['before'], means['after']), (None, None))
    name = f'mean of {len(comparisons)}'
    lines.append(_line(title, name, '', *values, means))
  left_out = len(comparisons) - len(most)
  note = [f'{left_out} that changed less are left out'] if left_out else []
  styles = [_STYLES.get(line[''], '') for line in lines]
  return [Table.of(lines, optional=('rows',), styles=styles), *note]


def _line(
  title: str,
  name: str,
  rows: int | str,
  before: str,
  after: str,
  comparison: Mapping[str, Any],
) -> dict[str, str]:
  verdict = comparison.get('verdict')
  return {
    title: name,
    'rows': str(rows),
    'before': before,
    'after': after,
    'change': f'{comparison["difference"]:+.1f}',
    '': verdict if verdict in _SHOWN else '',
  }


def _value(value: float, interval: Sequence[float] | None) -> str:
  """Returns a value with the 95 % interval around it."""
  if interval is None:
    return f'{value:.1f}'
  return f'{value:.1f} [{interval[0]:.0f}, {interval[1]:.0f}]'


def _remarks(evaluation: Evaluation) -> Paragraph:
  """Returns how to read the numbers."""
  text = (
    'Numbers in brackets are 95 % intervals. A change is better or worse '
    'if a paired test, corrected for the number of datasets, shows it at 5 %, '
    'and the rows can show a change of this size.'
  )
  if any(result.adapted for result in evaluation.results):
    text += ' Not comparable with the paper, whose rows are others.'
  return Paragraph(text)


def _examples(
  before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> Iterator[list[Block]]:
  """Yields the first example of each part, for the first parts."""
  shown = set()
  for first, second in zip(before, after, strict=True):
    if first['part'] in shown or len(shown) == _EXAMPLES:
      continue
    shown.add(first['part'])
    prompt = _beginning_and_end(first['prompt'])
    indent = ' ' * _LABEL
    yield [
      Line(f'{first["part"]}, template t{first["template"]}', 'bold'),
      f'{"prompt":{_LABEL}}' + f'\n{indent}'.join(prompt),
      f'{"right":{_LABEL}}{_one_line(first["gold"])}',
      f'{"before":{_LABEL}}{_answer(first)}',
      f'{"after":{_LABEL}}{_answer(second)}',
    ]


def _answer(example: Mapping[str, Any]) -> str:
  text = example['written']
  if example['options'] is None:
    return _one_line(text)
  return _one_line(f'ranks {example["predicted"]!r} first, writes {text!r}')


def _one_line(text: str) -> str:
  return textwrap.shorten(text, _COLUMNS - _LABEL, placeholder=' …')


def _beginning_and_end(text: str) -> list[str]:
  """Returns a text in at most two lines; its end asks the question."""
  words, width = text.split(), _COLUMNS - _LABEL
  lines = textwrap.wrap(' '.join(words), width)
  if len(lines) <= 2:
    return lines
  first = textwrap.shorten(' '.join(words), width, placeholder=' …')
  # Shortened from its beginning, word by word.
  last = textwrap.shorten(' '.join(words[::-1]), width, placeholder=' …')
  return [first, ' '.join(last.split()[::-1])]
