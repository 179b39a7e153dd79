"""The files of an evaluation: results, records, tables and comparisons."""

from collections.abc import Mapping, Sequence
import importlib.metadata
import json
import os
from typing import Any

from etils import epath

from flan_jax import __version__
from flan_jax.definitions.held_out import headline
from flan_jax.evaluation import aggregation, table
from flan_jax.evaluation.clusters import cluster_means
from flan_jax.evaluation.comparison import comparison_tables
from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.evaluation.part_result import PartResult
from flan_jax.rendering.exemplars import SHARED
from flan_jax.runtime import recorded_files
from flan_jax.runtime.paths import user_path, write_whole
from flan_jax.terminal.blocks import Block, Line, plain, spaced

RESULTS, RECORDS, TABLE = 'results.json', 'records.jsonl', 'table.txt'
EXAMPLES = 'examples.jsonl'
COMPARISON, COMPARISON_TABLE = 'comparison.json', 'comparison.txt'
SUMMARY = 'summary.txt'
ANSWERS = 'answers.jsonl'

_SOFTWARE = ('jax', 'jaxlib', 'flax', 'optax', 'numpy', 'sentencepiece')


def folder_name(mixture: str, shared: bool) -> str:
  """Returns the folder of results, of their own where exemplars are shared."""
  return f'{mixture}.{SHARED}' if shared else mixture


def existing_name(folder: epath.Path, mixture: str) -> str:
  """Returns which `folder_name` exists, where a mixture has only one."""
  shared = folder_name(mixture, True)
  return shared if (folder / shared).exists() else mixture


def write(
  folder: str | os.PathLike, evaluation: Evaluation, about: Mapping[str, Any]
) -> list[Block]:
  """Writes an evaluation and returns its tables, by template and by part.

  `about` is recorded as well: mixture, checkpoint, step, …. Its `not_held_out`
  is the first line above the title, its `left_out` the last one below the
  tables.
  The folder is created if missing.
  """
  folder = user_path(folder)
  folder.mkdir(parents=True, exist_ok=True)
  title = Line(f'{about["mixture"]}, in percent:', 'bold')
  by_template = table.templates_table(evaluation.results)
  blocks = spaced([by_template, tables(evaluation.results)])
  # The title is next to its table, and what matters more is above both.
  blocks = spaced([*_warnings(about), [title, *blocks]])
  if about.get('left_out'):
    names = ', '.join(about['left_out'])
    blocks.append(f'left out because not prepared: {names}')
  results = {
    **about,
    'flan_jax': __version__,
    'software': {n: importlib.metadata.version(n) for n in _SOFTWARE},
    'summary': aggregation.summary(evaluation.results),
    'clusters': cluster_means(evaluation.results),
    'parts': [result.as_json() for result in evaluation.results],
  }
  # Those of an earlier evaluation would not belong to these results.
  examples = _json_lines(evaluation.examples) if evaluation.examples else None
  recorded_files.write(
    folder,
    {
      RECORDS: _json_lines(evaluation.records),
      EXAMPLES: examples,
      TABLE: plain(blocks) + '\n',
      RESULTS: json.dumps(results, indent=1, ensure_ascii=False),
    },
  )
  return blocks


def _warnings(about: Mapping[str, Any]) -> list[Block]:
  """Returns what a reader must know before any number."""
  found = headline(about.get('not_held_out', ()))
  return [Line(found, 'yellow')] if found else []


def _json_lines(objects: Sequence[Mapping[str, Any]]) -> str:
  lines = (json.dumps(one, ensure_ascii=False) for one in objects)
  return ''.join(f'{line}\n' for line in lines)


def tables(results: Sequence[PartResult]) -> list[Block]:
  """Returns the tables of parts, written answers, clean rows and means."""
  return spaced(
    [
      [
        table.results_table(results),
        *table.legend(results),
      ],
      table.written_table(results),
      table.clean_table(results),
      table.clusters_table(cluster_means(results)),
    ]
  )


def write_checkpoints(
  folder: str | os.PathLike,
  found: Sequence[tuple[str, str, Evaluation]],
) -> list[Block]:
  """Writes one table of checkpoints, mixtures, evaluations; returns it."""
  groups: list[list[Block]] = []
  for label in dict.fromkeys(label for label, *_ in found):
    results = [r for of, _, e in found if of == label for r in e.results]
    title = Line(f'{label}, in percent:', 'bold')
    groups.append([title, *tables(results)])
  means = table.checkpoints_table(
    [(label, mixture, e.results) for label, mixture, e in found]
  )
  groups.append([Line('means over subsets, in percent:', 'bold'), means])
  blocks = spaced(groups)
  write_whole(user_path(folder) / TABLE, plain(blocks) + '\n')
  return blocks


def write_comparison(
  folder: str | os.PathLike,
  comparisons: Sequence[Mapping[str, Any]],
  means: Sequence[Mapping[str, Any]],
  summary: Sequence[Block],
) -> list[Block]:
  """Writes judged comparisons and their means; returns them as tables.

  `summary` is from `before_after.screen`.
  """
  made = spaced(comparison_tables(comparisons, means))
  found = {'datasets': list(comparisons), 'means': list(means)}
  recorded_files.write(
    folder,
    {
      COMPARISON: json.dumps(found, indent=1, ensure_ascii=False),
      COMPARISON_TABLE: plain(made) + '\n',
      SUMMARY: plain(summary) + '\n',
    },
  )
  return made
