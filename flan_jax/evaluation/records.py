"""The files of an evaluation: results, records, tables and comparisons."""

from collections.abc import Mapping, Sequence
import importlib.metadata
import json
import os
from typing import Any

from flan_jax import __version__
from flan_jax.evaluation import aggregation, table
from flan_jax.evaluation.clusters import cluster_means
from flan_jax.evaluation.comparison import comparison_table
from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.evaluation.part_result import PartResult
from flan_jax.runtime.paths import user_path, write_whole

RESULTS, RECORDS, TABLE = 'results.json', 'records.jsonl', 'table.txt'
EXAMPLES = 'examples.jsonl'
COMPARISON, COMPARISON_TABLE = 'comparison.json', 'comparison.txt'
ANSWERS = 'answers.jsonl'

_SOFTWARE = ('jax', 'jaxlib', 'flax', 'optax', 'numpy', 'sentencepiece')


def write(
  folder: str | os.PathLike, evaluation: Evaluation, about: Mapping[str, Any]
) -> str:
  """Writes an evaluation and returns its tables, by template and by part.

  `about` is recorded as well: mixture, checkpoint, step, …; its `left_out` is
  also listed below the tables. The folder is created if missing.
  """
  folder = user_path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  text = f'{table.templates_table(evaluation.results)}\n\n'
  text += tables(evaluation.results)
  if about.get('left_out'):
    text += f'\nleft out because not prepared: {", ".join(about["left_out"])}'
  results = {
    **about,
    'flan_jax': __version__,
    'software': {n: importlib.metadata.version(n) for n in _SOFTWARE},
    'summary': aggregation.summary(evaluation.results),
    'clusters': cluster_means(evaluation.results),
    'parts': [result.as_json() for result in evaluation.results],
  }
  write_whole(folder / RECORDS, _json_lines(evaluation.records))
  if evaluation.examples:
    write_whole(folder / EXAMPLES, _json_lines(evaluation.examples))
  else:  # Those of an earlier evaluation would not belong to these results.
    (folder / EXAMPLES).unlink(missing_ok=True)
  write_whole(folder / TABLE, text + '\n')
  write_whole(
    folder / RESULTS, json.dumps(results, indent=1, ensure_ascii=False)
  )
  return text


def _json_lines(objects: Sequence[Mapping[str, Any]]) -> str:
  lines = (json.dumps(one, ensure_ascii=False) for one in objects)
  return ''.join(f'{line}\n' for line in lines)


def tables(results: Sequence[PartResult]) -> str:
  """Returns the tables of parts, written answers, clean rows and means."""
  found = (
    table.results_table(results),
    table.written_table(results),
    table.clean_table(results),
    table.clusters_table(cluster_means(results)),
  )
  return '\n\n'.join(filter(None, found))


def write_checkpoints(
  folder: str | os.PathLike,
  found: Sequence[tuple[str, str, Evaluation]],
) -> str:
  """Writes one table of checkpoints, mixtures, evaluations; returns it."""
  texts = []
  for label in dict.fromkeys(label for label, *_ in found):
    results = [r for of, _, e in found if of == label for r in e.results]
    texts.append(f'{label}, in percent:\n{tables(results)}')
  means = table.checkpoints_table(
    [(label, mixture, e.results) for label, mixture, e in found]
  )
  texts.append(f'means over subsets, in percent:\n{means}')
  text = '\n\n'.join(texts)
  write_whole(user_path(folder) / TABLE, text + '\n')
  return text


def write_comparison(
  folder: str | os.PathLike, comparisons: Sequence[Mapping[str, Any]]
) -> str:
  """Writes what `comparison.compare` found; returns it as a table."""
  folder, text = user_path(folder), comparison_table(comparisons)
  found = json.dumps(list(comparisons), indent=1, ensure_ascii=False)
  write_whole(folder / COMPARISON, found)
  write_whole(folder / COMPARISON_TABLE, text + '\n')
  return text
