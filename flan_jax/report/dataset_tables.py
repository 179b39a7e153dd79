"""Our results by cluster and by dataset, before and after tuning."""

from collections.abc import Mapping, Sequence
import dataclasses
from typing import Any

import numpy as np

from flan_jax.evaluation import comparison
from flan_jax.evaluation.clusters import mean_interval
from flan_jax.evaluation.metrics.intervals import TOO_FEW
from flan_jax.evaluation.part_result import PartResult
from flan_jax.report.differences import (
  Difference,
  differences,
)
from flan_jax.report.systems import BASE, TUNED, System, base_of
from flan_jax.report.tables import (
  COUNT,
  INTERVAL,
  SIGNED,
  SIGNED_INTERVAL,
  TEXT,
  WORDS,
  Column,
  Table,
)

VERDICT = 'verdict'
# The number stays with its sign.
_INTERVAL = '95\u00a0% interval'
_MEASURED = (
  Column('majority', 'majority'),
  Column('base', 'base'),
  Column('base interval', f'base, {_INTERVAL}', INTERVAL),
  Column('tuned', 'tuned'),
  Column('tuned interval', f'tuned, {_INTERVAL}', INTERVAL),
  Column('difference', 'difference', SIGNED),
  Column('difference interval', f'its {_INTERVAL}', SIGNED_INTERVAL),
  Column(VERDICT, 'verdict', WORDS),
)
_CLUSTER = (
  Column('cluster', 'cluster', TEXT),
  Column('metric', 'metric', TEXT),
  Column('asked', 'asked with', TEXT),
  Column('datasets', 'datasets', COUNT),
  Column('rows', 'rows', COUNT),
  *_MEASURED,
)
_DATASET = (
  Column('dataset', 'dataset', TEXT),
  Column('cluster', 'cluster', TEXT),
  Column('metric', 'metric', TEXT),
  Column('rows', 'rows', COUNT),
  *_MEASURED,
)
_TEMPLATES = (
  Column('dataset', 'dataset', TEXT),
  Column('metric', 'metric', TEXT),
  Column('templates', 'templates', COUNT),
  Column('exemplars', 'exemplars'),
  Column('least exemplars', 'least exemplars', COUNT),
  *(
    Column(f'{model} {key}', f'{model}, {title}', *kind)
    for key, title, *kind in (
      ('std', 'std'),
      ('best', 'best on validation'),
      ('template', 'which template', TEXT),
      ('macro F1', 'macro F1'),
      ('top share', 'top share'),
      ('valid', 'valid answers'),
    )
    for model in ('base', 'tuned')
  ),
  Column('split', 'split', TEXT),
)
_NO_INTERVAL = (
  'An interval is left out where too few rows gave it, or where '
  'templates apply to different rows.'
)


@dataclasses.dataclass(frozen=True)
class Contrast:
  """A model, and the model before tuning if there is one.

  Attributes:
    name: Begins the names of its tables.
    title: What is compared.
    base: The model before tuning; None if it was not evaluated.
    tuned: The model; the one before tuning if no other was evaluated.
    changes: Name of a row -> the difference.
  """

  name: str
  title: str
  base: System | None
  tuned: System
  changes: dict[str, Difference]

  @property
  def column(self) -> str:
    """The name of the model's columns."""
    return BASE if self.tuned.is_base else TUNED

  @property
  def notes(self) -> tuple[str, ...]:
    notes = dict.fromkeys(change.note for change in self.changes.values())
    return tuple(filter(None, notes))


def contrasts(systems: Sequence[System]) -> list[Contrast]:
  """Returns each tuned model with the model before tuning.

  That is the first one that answered the same datasets; of the same run if
  possible. If no tuned model was evaluated, the others stand alone.
  """
  bases = [s for s in systems if s.is_base]
  tuned = [s for s in systems if not s.is_base]
  found = []
  for number, system in enumerate(tuned or bases):
    name = f'{number + 1}_' if len(tuned or bases) > 1 else ''
    base = base_of(system, bases) if tuned else None
    if base is None:
      found.append(Contrast(name, system.label, None, system, {}))
    else:
      title = f'{_short(system, base)} against {base.label}'
      changes = differences(base, system)
      found.append(Contrast(name, title, base, system, changes))
  return found


def _short(system: System, base: System) -> str:
  """Returns the label of a model, without an origin that the base has too."""
  origin = f', {system.origin}'
  both = system.label.endswith(origin) and base.label.endswith(origin)
  return system.label.removesuffix(origin) if both else system.label


def dataset_table(contrast: Contrast) -> Table:
  """Returns the table of a contrast by dataset."""
  rows = []
  for name, result in contrast.tuned.parts.items():
    before = contrast.base and contrast.base.parts.get(name)
    rows.append(
      {
        'dataset': name,
        'cluster': result.cluster,
        'metric': result.metric,
        'rows': result.rows,
        'majority': result.majority_rate,
        **_measured('base', before),
        **_measured(contrast.column, result),
        **_changed(contrast.changes.get(name)),
      }
    )
  return Table(
    f'{contrast.name}datasets',
    f'By dataset: {contrast.title}',
    'Means over templates, in percent. Majority is the share of the most '
    'frequent gold answer.',
    _DATASET,
    tuple(rows),
    (*_note(rows), *contrast.notes),
  )


def _measured(model: str, result: PartResult | None) -> dict[str, Any]:
  if result is None:
    return {}
  return {model: result.mean, f'{model} interval': result.known_interval}


def _changed(change: Difference | None) -> dict[str, Any]:
  if change is None:
    return {}
  return {
    'difference': change.value,
    'difference interval': change.interval,
    VERDICT: change.verdict,
  }


def template_table(contrast: Contrast) -> Table:
  """Returns what templates and answers of each dataset are like."""
  rows = []
  for name, result in contrast.tuned.parts.items():
    row = {
      'dataset': name,
      'metric': result.metric,
      'templates': len(result.templates),
      **_exemplars(result),
      'split': result.split,
    }
    models = {'base': contrast.base, contrast.column: contrast.tuned}
    for model, system in models.items():
      if system is not None and (own := system.parts.get(name)) is not None:
        about = _about_answers(own)
        row |= {f'{model} {key}': value for key, value in about.items()}
    rows.append(row)
  return Table(
    f'{contrast.name}templates',
    f'Templates and answers: {contrast.title}',
    'In percent. Std is the standard deviation over templates. The template '
    'that is best on validation rows is given with its test score. Macro F1, '
    'the share of the most frequent prediction, and the share of written '
    'answers that are valid options are means over templates.',
    _TEMPLATES,
    tuple(rows),
  )


def _exemplars(result: PartResult) -> dict[str, Any]:
  """Returns how many exemplars prompts have, in the mean and at least."""
  shown = result.exemplars
  if shown is None:
    return {}
  return {'exemplars': shown['mean'], 'least exemplars': shown['least']}


def _about_answers(result: PartResult) -> dict[str, Any]:
  best = result.best_validation
  return {
    'std': result.std,
    'best': best and best['test'],
    'template': best and f't{best["template"]}',
    'macro F1': _template_mean(result, 'macro_f1'),
    'top share': _template_mean(result, 'most_frequent_prediction'),
    'valid': result.written and result.written['valid_options'],
  }


def _template_mean(result: PartResult, key: str) -> float | None:
  values = [t[key] for t in result.templates.values() if key in t]
  return float(np.mean(values)) if values else None


def cluster_table(contrast: Contrast) -> Table:
  """Returns the means over the datasets of each cluster and metric."""
  rows = []
  by_kind: dict[tuple[str, ...], list[str]] = {}
  for name, result in contrast.tuned.parts.items():
    key = result.cluster, result.metric, _asked(result)
    by_kind.setdefault(key, []).append(name)
  changes = _changes(contrast, by_kind)
  for key, names in by_kind.items():
    cluster, metric, asked = key
    results = [contrast.tuned.parts[name] for name in names]
    row = {
      'cluster': cluster,
      'metric': metric,
      'asked': asked,
      'datasets': len(results),
      'rows': sum(result.rows for result in results),
      'majority': _mean([r.majority_rate for r in results]),
      **_mean_of(contrast.column, results),
    }
    before = [contrast.base and contrast.base.parts.get(n) for n in names]
    if None not in before:
      row |= {**_mean_of('base', before), **changes[key]}
    rows.append(row)
  return Table(
    f'{contrast.name}clusters',
    f'By cluster: {contrast.title}',
    'Means over the datasets of a cluster that report the same metric, in '
    'percent. An interval combines those of the datasets, whose rows are '
    'independent.',
    _CLUSTER,
    tuple(rows),
    _note(rows),
  )


def _asked(result: PartResult) -> str:
  """Returns how prompts differ from zero-shot ones with instructions."""
  form = '' if result.format == 'instructions' else result.format
  shots = f'{result.shots} exemplars' if result.shots else ''
  return ', '.join(filter(None, (form, shots)))


def _note(rows: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
  """Returns why a number has no interval, if one has none."""
  for row in rows:
    for key in ('base', 'tuned', 'difference'):
      if row.get(key) is not None and row[f'{key} interval'] is None:
        return (_NO_INTERVAL,)
  return ()


def _mean(values: Sequence[float | None]) -> float | None:
  return None if None in values else float(np.mean(values))


def mean_of(
  results: Sequence[PartResult],
) -> tuple[float, tuple[float, float] | None]:
  """Returns the mean over datasets and its 95 % interval, if it is known."""
  mean = float(np.mean([result.mean for result in results]))
  return mean, mean_interval(results)


def _mean_of(model: str, results: Sequence[PartResult]) -> dict[str, Any]:
  mean, interval = mean_of(results)
  return {model: mean, f'{model} interval': interval}


def _changes(
  contrast: Contrast, clusters: Mapping[Any, Sequence[str]]
) -> dict[Any, dict[str, Any]]:
  """Returns the cells of the mean difference of each cluster, judged together.

  A mean of which a dataset is not known has no interval.
  """
  found, lines = {}, {}
  for key, names in clusters.items():
    changes = [contrast.changes[n] for n in names if n in contrast.changes]
    if len(changes) < len(names):
      continue
    known = [change.line for change in changes if change.line is not None]
    few = any(change.verdict == TOO_FEW for change in changes)
    found[key] = {
      'difference': float(np.mean([change.value for change in changes])),
      'difference interval': None,
      VERDICT: TOO_FEW if few else comparison.NO_INTERVAL,
    }
    mean = comparison.mean_of(str(key), known) if known else None
    if mean is not None and mean['datasets'] == len(names):
      lines[key] = mean
  for key, line in zip(lines, comparison.judged(lines.values()), strict=True):
    found[key]['difference interval'] = comparison.shown_interval(line)
    found[key][VERDICT] = line['verdict']
  return found
