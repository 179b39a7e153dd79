"""Small results, written by hand, as `train`, `eval` and `study` write them."""

from collections.abc import Mapping, Sequence
import dataclasses
import json
import pathlib
from typing import Any

from flan_jax.definitions import registry
from flan_jax.evaluation.part_result import PartResult

registry.load()

# Rows of each part, and a group of two rows for each passage.
ROWS = 80


def part(
  name: str,
  templates: Sequence[float],
  interval: tuple[float, float] | None = (20.0, 80.0),
  group: str | None = None,
  **values: Any,
) -> PartResult:
  """Returns the result of a part.

  Args:
    name: A part, such as `rte`.
    templates: Value of each template, in percent.
    interval: Interval of the mean.
    group: Group of templates.
    **values: Other fields.
  """
  dataset, declared = registry.find_part(name)
  metric = declared.metrics[0]
  mean = sum(templates) / len(templates)
  entry = {
    'dataset': dataset.name,
    'part': name,
    'cluster': declared.cluster,
    'format': 'instructions',
    'available_rows': ROWS,
    'template_set': None,
    'adapted': {},
    'note': '',
    'cache': {'test': 'a' * 16, 'validation': 'b' * 16},
    'metric': metric,
    'group': group,
    'rows': ROWS,
    'groups': ROWS // 2,
    'mean': mean,
    'std': 1.5,
    'interval': interval,
    'majority_rate': 50.0,
    'best_validation': {
      'template': 1,
      'validation': 60.0,
      'test': templates[min(1, len(templates) - 1)],
      'interval': interval,
      'validation_rows': 4,
    },
    'templates': {
      n: {
        metric: value,
        'macro_f1': value - 1,
        'rows': ROWS,
        'most_frequent_prediction': 60.0,
        'interval': interval,
      }
      for n, value in enumerate(templates)
    },
  }
  return PartResult(**(entry | values))


def write_evaluation(
  folder: pathlib.Path,
  parts: Sequence[PartResult],
  *,
  mixture: str = 'flan_eval_nli',
  about: Mapping[str, Any] | None = None,
  comparison: Sequence[Mapping[str, Any]] | None = None,
  examples: Sequence[Mapping[str, Any]] | None = None,
  records: Sequence[Mapping[str, Any]] | None = None,
) -> pathlib.Path:
  """Writes the folder of an evaluation; a file that is None is left out."""
  folder.mkdir(parents=True)
  results = {
    'mixture': mixture,
    'max_rows': None,
    'stop': [],
    'write_options': False,
    'contaminated': None,
    'not_held_out': [],
    **(about or {'step': 0, 'trained_on': None}),
    'flan_jax': '0.0.0',
    'software': {'jax': '0.10.0', 'numpy': '2.0.0'},
    'summary': {},
    'clusters': [],
    'parts': [p.as_json() for p in parts],
  }
  (folder / 'results.json').write_text(json.dumps(results))
  if comparison is not None:
    found = {'datasets': list(comparison), 'means': []}
    (folder / 'comparison.json').write_text(json.dumps(found))
  for name, lines in (('examples', examples), ('records', records)):
    if lines is not None:
      write_lines(folder / f'{name}.jsonl', lines)
  return folder


def write_lines(path: pathlib.Path, lines: Sequence[Mapping]) -> None:
  path.write_text(''.join(json.dumps(line) + '\n' for line in lines))


def example(part_name: str, row: int, predicted: str, gold: str) -> dict:
  """Returns an object of examples.jsonl."""
  options = ['yes', 'no']
  return {
    'part': part_name,
    'template': 0,
    'row_id': str(row),
    'prompt': f'Premise {row}: a cat sleeps.\nDoes an animal rest?',
    'gold': gold,
    'options': options,
    'scores': [-1.0 if text == predicted else -2.5 for text in options],
    'predicted': predicted,
    'written': f'{predicted}.',
  }


def comparison(part_name: str, before: float, after: float) -> dict[str, Any]:
  """Returns a line of comparison.json."""
  return {
    'part': part_name,
    'group': None,
    'cluster': 'nli',
    'metric': 'accuracy',
    'rows': ROWS,
    'groups': ROWS,
    'templates': 4,
    'before': before,
    'after': after,
    'difference': after - before,
    'interval': [after - before - 5, after - before + 5],
    'error': 2.5,
    'freedom': ROWS - 1,
    'p': 0.001 if after - before > 5 else 0.5,
    'detectable': 7.0,
    'reversal': 0.1,
    'p_holm': 0.001 if after - before > 5 else 0.5,
    'verdict': 'better' if after - before > 5 else 'not shown',
  }


def metrics(steps: int = 4) -> list[dict[str, Any]]:
  """Returns the objects of metrics.jsonl."""
  lines = []
  for step in range(1, steps + 1):
    lines.append(
      {
        'step': step,
        'kind': 'train',
        'loss': 3.0 / step,
        'learning_rate': 1e-3,
        'grad_norm': 1.0 + step,
        'tokens_per_second': 1000.0 + step,
      }
    )
  lines.append(
    {'step': steps, 'kind': 'validation', 'accuracy': 50.0, 'loss': 1.0}
  )
  return lines


def data() -> dict[str, Any]:
  """Returns the content of data.json."""
  lengths = {'edges': [0, 64, 128], 'counts': [3, 5]}
  return {
    'steps': 4,
    'clusters': {
      'nli': {'planned_rate': 0.25, 'drawn_examples': 2, 'drawn_tokens': 90},
      'sentiment': {
        'planned_rate': 0.75,
        'drawn_examples': 6,
        'drawn_tokens': 210,
      },
    },
    'fill': 0.97,
    'input_lengths': lengths,
    'target_lengths': lengths,
    'cut': {'inputs': 1, 'targets': 0, 'of': 8},
    'loss_example': [
      {
        'part': 'sst2',
        'pieces': [
          {'text': 'How is <this>?', 'weight': 0.0},
          {'text': ' good', 'weight': 1.0},
        ],
      }
    ],
  }


def write_run(
  folder: pathlib.Path, parts: Sequence[PartResult], base: Sequence[PartResult]
) -> pathlib.Path:
  """Writes a MODEL_DIR whose tuned model wins one of three RTE examples."""
  folder.mkdir(parents=True)
  answers = {'base': ('no', 'yes', 'no'), 'tuned': ('yes', 'no', 'no')}
  given = {
    name: [example('rte', n, a, ('yes', 'yes', 'no')[n]) for n, a in rows]
    for name, rows in ((k, enumerate(v)) for k, v in answers.items())
  }
  pairs = zip(base, parts, strict=True)
  write_evaluation(
    folder / 'eval_base/flan_eval_nli', base, examples=given['base']
  )
  write_evaluation(
    folder / 'eval/flan_eval_nli',
    parts,
    about={'step': 4, 'trained_on': 'flan_holdout_nli'},
    comparison=[comparison(b.part, b.mean, t.mean) for b, t in pairs],
    examples=given['tuned'],
  )
  write_lines(folder / 'metrics.jsonl', metrics())
  (folder / 'config.gin').write_text(
    "MIXTURE_OR_TASK_NAME = 'flan_holdout_nli'\n"
  )
  (folder / 'data.json').write_text(json.dumps(data()))
  return folder


def study(cells: Sequence[Mapping], panel: Mapping) -> dict[str, Any]:
  """Returns the content of a study.json."""
  return {
    'schema': 1,
    'study': 'main',
    'size': 'smoke',
    'flan_jax': '0.0.0',
    'design': {'arms': {}, 'holdouts': ['nli'], 'panel': 'main', 'seeds': [0]},
    'finished': True,
    'cells': list(cells),
    'panel': dict(panel),
  }


def changed(result: PartResult, **values: Any) -> PartResult:
  """Returns a result with other values."""
  return dataclasses.replace(result, **values)
