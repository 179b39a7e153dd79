"""Our zero-shot and few-shot results beside those that the paper prints."""

from collections.abc import Iterable
from typing import Any

from flan_jax.definitions.names import MAX_SHOTS
from flan_jax.evaluation.paper_means import FLAN, GPT3, mean_for
from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.dataset_tables import Contrast, mean_of
from flan_jax.report.systems import System
from flan_jax.report.tables import (
  COUNT,
  INTERVAL,
  PUBLISHED,
  RECALLED,
  TEXT,
  WORDS,
  Column,
  Table,
  Value,
)
from flan_jax.studies import paper

# Setting -> the columns of published values: title, system and setting.
_PUBLISHED = {
  'zero-shot': (
    ('FLAN 137B', FLAN, 'zero_shot_mean'),
    ('FLAN 137B, best template', FLAN, 'zero_shot_best_dev'),
    ('LaMDA-PT', paper.LAMDA, 'zero_shot'),
    ('GPT-3 175B', GPT3, 'zero_shot'),
    ('GLaM 64B/64E', paper.GLAM, 'zero_shot'),
  ),
  'few-shot': (
    ('FLAN 137B', FLAN, 'few_shot_mean'),
    ('FLAN 137B, best template', FLAN, 'few_shot_best_dev'),
    ('LaMDA-PT', paper.LAMDA, 'few_shot'),
    ('GPT-3 175B', GPT3, 'few_shot'),
  ),
}
_SHOTS = {0: 'zero-shot', MAX_SHOTS: 'few-shot'}


def protocol_gap(result: PartResult) -> str:
  """Returns how a result differs from the paper's protocol, '' if not.

  Our templates are worded differently in any case.
  """
  published = _known(result)
  gaps = []
  if result.split != 'recorded':
    gaps.append('adapted split')
  if result.rows < result.available_rows:
    gaps.append(f'{result.rows} of {result.available_rows} rows')
  if result.format != 'instructions':
    gaps.append(f'format {result.format}')
  if result.shots not in _SHOTS:
    gaps.append(f'{result.shots} exemplars')
  if result.lacks_exemplars:
    gaps.append(f'{result.exemplars["mean"]:.1f} exemplars a prompt')
  if result.template_set is not None:
    gaps.append('another template set')
  if published and all(one.metric != _metric(result) for one in published):
    gaps.append(f'metric {result.metric}')
  return ', '.join(gaps)


def _metric(result: PartResult) -> str:
  """Returns the name that the paper's table has for a metric.

  The scripts of SQuAD, TriviaQA and others compute the same quantities.
  """
  name = result.metric.partition(':')[0]
  if name in ('trivia_em', 'exact_match'):
    return 'exact_match'
  return 'f1' if name.endswith('f1') else name


def _known(result: PartResult) -> list[paper.Published]:
  setting = 'few-shot' if result.shots else 'zero-shot'
  found = (
    paper.find(result.name, system, of) for _, system, of in _PUBLISHED[setting]
  )
  return [one for one in found if one is not None]


def paper_tables(system: System, name: str = '') -> list[Table]:
  """Returns the tables of a model beside the paper, without empty ones.

  A result whose split, rows, format or metric differ from the paper's has a
  column of its own, and says how it differs.

  Args:
    system: The model.
    name: Begins the names of the tables.
  """
  tables = []
  for setting in _PUBLISHED:
    rows = [
      _line(result, setting)
      for result in system.parts.values()
      if bool(result.shots) == (setting == 'few-shot') and _known(result)
    ]
    if rows:
      tables.append(_table(setting, system, name, rows))
  if any(
    not result.shots and _known(result) for result in system.parts.values()
  ):
    tables.append(_wins(system, name))
  return tables


def _line(result: PartResult, setting: str) -> dict[str, Any]:
  gap, best = protocol_gap(result), result.best_validation
  ours = 'other' if gap else 'ours'
  line = {
    'dataset': result.name,
    'metric': result.metric,
    ours: result.mean,
    f'{ours} best': best and best['test'],
    'gap': gap,
  }
  for title, system, of in _PUBLISHED[setting]:
    if (found := paper.find(result.name, system, of)) is not None:
      line[title] = Value(found.value, found.provenance, found.std)
  return line


def _table(
  setting: str, system: System, name: str, rows: Iterable[dict[str, Any]]
) -> Table:
  return Table(
    f'{name}paper_{setting.replace("-", "_")}',
    f'Beside the paper, {setting}: {system.label}',
    'In percent. Means over templates, and the test score of the template that '
    'is best on validation rows. Our templates are worded differently.',
    (
      Column('dataset', 'dataset', TEXT),
      Column('metric', 'metric', TEXT),
      Column('ours', 'ours'),
      Column('ours best', 'ours, best template'),
      Column('other', 'ours, other protocol'),
      Column('other best', 'ours, other protocol, best template'),
      Column('gap', 'what differs', WORDS),
      *(Column(title, title, PUBLISHED) for title, *_ in _PUBLISHED[setting]),
    ),
    tuple(rows),
    (
      'Published values are quoted from another text, recomputed from a mean '
      'that the paper prints, or recalled: nothing that was at hand confirms a '
      'recalled one, and no win is counted against it.',
    ),
  )


def cluster_means_table(contrast: Contrast) -> Table | None:
  """Returns means over the datasets of the paper's figures, beside its own.

  Returns:
    None if no cluster has all of these datasets, with enough rows.
  """
  rows = []
  tuned, base = contrast.tuned, contrast.base
  for cluster in dict.fromkeys(r.cluster for r in tuned.parts.values()):
    printed = mean_for(cluster, 'instructions', 0)
    if printed is None or not set(printed.members) <= tuned.parts.keys():
      continue
    results = [tuned.parts[name] for name in printed.members]
    if any(result.too_few for result in results):
      continue
    gaps = dict.fromkeys(filter(None, map(protocol_gap, results)))
    ours = 'other' if gaps else 'ours'
    before = [base and base.parts.get(name) for name in printed.members]
    row = {
      'cluster': cluster,
      'datasets': len(results),
      'base': None if None in before else mean_of(before)[0],
      'gap': '; '.join(gaps),
      'figure': printed.figure,
      'paper': printed.value and Value(printed.value, printed.provenance),
      'problem': printed.problem,
    }
    row[ours], row[f'{ours} interval'] = mean_of(results)
    rows.append(row)
  if not rows:
    return None
  return Table(
    f'{contrast.name}paper_clusters',
    f'Cluster means beside the paper: {contrast.title}',
    'Means over exactly the datasets of a figure of the paper, in percent.',
    (
      Column('cluster', 'cluster', TEXT),
      Column('datasets', 'datasets', COUNT),
      Column('base', 'base'),
      Column('ours', contrast.column),
      Column('ours interval', '95 % interval', INTERVAL),
      Column('other', f'{contrast.column}, other protocol'),
      Column('other interval', 'its 95 % interval', INTERVAL),
      Column('gap', 'what differs', WORDS),
      Column('paper', 'FLAN 137B', PUBLISHED),
      Column('figure', 'where', TEXT),
      Column('problem', 'why there is no published mean', WORDS),
    ),
    tuple(rows),
  )


def _wins(system: System, name: str) -> Table:
  """Returns the paper's counts of wins, without recalled values."""
  same = [r for r in system.parts.values() if not protocol_gap(r)]
  rows = []
  for count in paper.win_counts(paper.scores_of(same)):
    rule = count.rule
    rows.append(
      {
        'baseline': f'{rule.system}, {rule.setting.replace("_", "-")}',
        'won': len(count.won),
        'tied': len(count.tied),
        'lost': len(count.lost),
        'missing': len(count.missing),
        RECALLED: len(count.recalled),
        'of': len(rule.datasets),
        'paper': f'{rule.published} ({rule.provenance})',
      }
    )
  return Table(
    f'{name}paper_wins',
    f'Wins over published baselines: {system.label}',
    "The paper's counts, zero-shot. Only our results under the paper's "
    'protocol count.',
    (
      Column('baseline', 'baseline', TEXT),
      Column('won', 'won', COUNT),
      Column('tied', 'tied', COUNT),
      Column('lost', 'lost', COUNT),
      Column('missing', 'without our result or its own', COUNT),
      Column(RECALLED, 'its value is recalled', COUNT),
      Column('of', 'of', COUNT),
      Column('paper', 'the paper wins', TEXT),
    ),
    tuple(rows),
  )
