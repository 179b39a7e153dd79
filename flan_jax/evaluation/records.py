"""Writes what an evaluation found: results, records and the table."""

from collections.abc import Mapping, Sequence
import importlib.metadata
import json
import os
import pathlib
from typing import Any

from flan_jax import __version__
from flan_jax.evaluation import aggregation, table
from flan_jax.evaluation.clusters import cluster_means
from flan_jax.evaluation.evaluator import Evaluation

RESULTS, RECORDS, TABLE = 'results.json', 'records.jsonl', 'table.txt'
COMPARISON, COMPARISON_TABLE = 'comparison.json', 'comparison.txt'

_SOFTWARE = ('jax', 'jaxlib', 'flax', 'optax', 'numpy', 'sentencepiece')


def write(
  folder: str | os.PathLike, evaluation: Evaluation, about: Mapping[str, Any]
) -> str:
  """Writes an evaluation and returns its tables, by template and by part.

  Args:
    folder: Where; made if missing. Each file is written whole or not at all.
    evaluation: What was found.
    about: What is recorded beside it: mixture, checkpoint, step, …; splits that
      were `left_out` also stand below the tables.
  """
  folder = pathlib.Path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  text = f'{table.templates_table(evaluation.results)}\n\n'
  text += tables(evaluation.results)
  if about.get('left_out'):
    text += f'\nleft out, as not prepared: {", ".join(about["left_out"])}'
  results = {
    **about,
    'flan_jax': __version__,
    'software': {n: importlib.metadata.version(n) for n in _SOFTWARE},
    'summary': aggregation.summary(evaluation.results),
    'clusters': cluster_means(evaluation.results),
    'parts': evaluation.results,
  }
  lines = (json.dumps(r, ensure_ascii=False) for r in evaluation.records)
  write_whole(folder / RECORDS, ''.join(line + '\n' for line in lines))
  write_whole(folder / TABLE, text + '\n')
  write_whole(
    folder / RESULTS, json.dumps(results, indent=1, ensure_ascii=False)
  )
  return text


def tables(results: Sequence[Mapping[str, Any]]) -> str:
  """Returns the tables of results: parts, what else was asked, clusters."""
  found = (
    table.results_table(results),
    table.written_table(results),
    table.clean_table(results),
    table.clusters_table(cluster_means(results)),
  )
  return '\n\n'.join(text for text in found if text)


def write_comparison(
  folder: str | os.PathLike,
  comparisons: Sequence[Mapping[str, Any]],
  text: str,
) -> None:
  """Writes what `comparison.compare` found, and its table."""
  folder = pathlib.Path(folder)
  found = json.dumps(list(comparisons), indent=1, ensure_ascii=False)
  write_whole(folder / COMPARISON, found)
  write_whole(folder / COMPARISON_TABLE, text + '\n')


def write_whole(path: pathlib.Path, text: str) -> None:
  """Writes a file in UTF-8, whole or not at all."""
  temporary = path.with_name(f'.{path.name}.writing')
  temporary.write_text(text, encoding='utf-8')
  os.replace(temporary, path)
