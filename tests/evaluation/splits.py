"""Splits and answers made by hand, without a cache."""

from types import SimpleNamespace

from flan_jax.evaluation.aggregation import part_results
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.evaluation.part_result import PartResult
from flan_jax.evaluation.predictions import Answer

CHOICES = {'entailment': 'yes', 'not_entailment': 'no'}


def split(
  rows, adapted='', choices=None, templates=(('{answer}', None),) * 6
) -> SimpleNamespace:
  """Stands in for a cached split; templates are (target, group)."""
  manifest = {
    'dataset': 'rte',
    'adapted': adapted,
    'format': 'instructions',
    'template_set': None,
  }
  declared = SimpleNamespace(
    cluster='nli',
    note='',
    metrics=('accuracy',),
    choices=choices,
    templates=[SimpleNamespace(target=t, group=g) for t, g in templates],
  )
  rows = [
    {'id': f'row{i}', 'group': str(i), **row} for i, row in enumerate(rows)
  ]
  return SimpleNamespace(
    rows=rows, manifest=manifest, part=declared, name='rte', digest='0123'
  )


def ranked_split(golds, adapted='', groups=None) -> SimpleNamespace:
  """A split with two classes."""
  rows = [
    {'correct': [gold], 'group': str(groups[i] if groups else i)}
    for i, gold in enumerate(golds)
  ]
  return split(rows, adapted, CHOICES)


def part(test, validation=None, metrics=('accuracy',), **more) -> EvalPart:
  """The part of such splits."""
  test.part.metrics = tuple(metrics)
  return EvalPart(test, validation, **more)


def ranked(**by_template) -> list[Answer]:
  """Answers by template, as in `t0=[0, 1]`: the option chosen for each row."""
  return [
    Answer(row, int(name[1:]), option, ('yes', 'no')[option])
    for name, options in by_template.items()
    for row, option in enumerate(options)
  ]


def texts(*by_template) -> list[Answer]:
  """Answers in free text, a list of rows for each template."""
  return [
    Answer(row, template, None, text)
    for template, rows in enumerate(by_template)
    for row, text in enumerate(rows)
  ]


def result(*arguments, **named) -> PartResult:
  """The only result of a part."""
  (found,) = part_results(*arguments, **named)
  return found


def request_split(
  rows, templates=1, targets=4, choices=CHOICES
) -> SimpleNamespace:
  """A split whose rows are rendered under templates.

  Every row has two options of one token each, of which `correct` tells the
  right ones; without `correct`, the answer is free text.

  Args:
    rows: The rows.
    templates: Renderings of each row.
    targets: Most tokens of a target.
    choices: Class name -> words; None if rows have their own options.
  """
  found = split(
    rows, choices=choices, templates=(('{answer}', None),) * templates
  )
  found.manifest |= {'lengths': {'targets': targets}, 'split': 'validation'}
  found.num_rows = len(rows)
  found.renderings = [
    {'row': row, 'template': template}
    for row in range(len(rows))
    for template in range(templates)
  ]
  found.prompt = lambda index, framing: [20 + index]
  found.spans = lambda rendering: [[20], [10], [11]]
  return found
