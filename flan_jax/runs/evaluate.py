"""`flan-jax eval`: evaluates checkpoints, zero-shot or few-shot."""

from collections.abc import Mapping, Sequence
import dataclasses
import os
import pathlib
from typing import Any

import gin
import tqdm

from flan_jax import __version__
from flan_jax.cache.cached_split import CacheConfig
from flan_jax.cache.store import CacheStore, flat, split_keys
from flan_jax.errors import ConfigError
from flan_jax.evaluation import records
from flan_jax.evaluation.comparison import compare, comparison_table
from flan_jax.evaluation.contaminated import check_ids, read_contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.evaluation.evaluator import Evaluation, Models
from flan_jax.evaluation.evaluator import evaluate as score
from flan_jax.evaluation.journal import Journal
from flan_jax.evaluation.models import make_models
from flan_jax.evaluation.requests import EvalPart
from flan_jax.evaluation.table import checkpoints_table
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.runtime import processes
from flan_jax.runtime.compilation import keep_compiled
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import Checkpointer
from flan_jax.training.checkpoint import check_vocabulary, params_digest
from flan_jax.vocabulary.load import load_vocabulary

_ANSWERS = 'answers.jsonl'


@gin.configurable(module='flan_jax')
def evaluate(
  mixture: str | Sequence[str],
  model_dir: str,
  model: DecoderConfig,
  mesh: MeshConfig,
  cache_config: CacheConfig,
  vocabulary: str,
  eval_config: EvalConfig,
  allow_missing: bool = False,
  checkpoint: str | Sequence[str] | None = None,
  tokens_per_batch: int = 8192,
  seed: int = 0,
  compilation_cache: str | None = None,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Evaluates checkpoints on every ordinary template of mixtures.

  What was answered before a run was broken off is not asked again.

  Args:
    mixture: Mixture or task, as `flan_eval_nli`, or several.
    model_dir: Folder that results are written below; its newest checkpoint is
      evaluated.
    model: Shape of the decoder.
    mesh: Shape of the device mesh.
    cache_config: Directories and lengths of the token cache.
    vocabulary: As VOCABULARY.
    eval_config: How much is asked.
    allow_missing: Leaves out what is not prepared; results say so.
    checkpoint: Another checkpoint, or model directory, to evaluate; several;
      'all' of model_dir; or its 'best', see KEEP_BEST.
    tokens_per_batch: Places of a batch.
    seed: Chooses exemplars.
    compilation_cache: Where compiled programs are kept; None keeps none.
    arguments: What a child process that makes missing caches is started with.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    ConfigError, UnknownNameError, ValueError: before anything is compiled.
  """
  keep_compiled(compilation_cache)
  mixtures = flat([mixture])
  keys = split_keys(mixtures, training=False)
  cache_dir = cache_config.cache_dir
  tokens = load_vocabulary(base_model.locate(vocabulary, cache_dir))
  check_vocabulary(tokens, model)
  contaminated = read_contaminated(eval_config.contaminated)
  devices = make_mesh(mesh)
  store = CacheStore(
    cache_config, tokens, arguments and arguments.flags(), allow_missing
  )
  if dry_run:
    listed = ', '.join(map(str, store.missing(keys)))
    print(f'would evaluate {", ".join(mixtures)}; units to be cached: {listed}')
    return
  paths = _checkpoints(checkpoint, model_dir, cache_dir)
  for path in paths.values():
    check_vocabulary(tokens, model, path)
  processes.first_then_others(lambda: store.ensure(keys))
  all_parts = {name: eval_parts(store, name, seed) for name in mixtures}
  for parts in all_parts.values():
    check_ids(eval_config.contaminated, contaminated, parts)
  models = make_models(model, devices, tokens, cache_config, tokens_per_batch)
  found = []
  for label, path in paths.items():
    path, step = Checkpointer.find(path)
    params = Checkpointer.restore_params(path, abstract_params(model, devices))
    for name, parts in all_parts.items():
      evaluation = run_evaluation(
        mixture=name,
        parts=parts,
        models=models,
        model=model,
        params=params,
        eval_config=eval_config,
        contaminated=contaminated,
        model_dir=model_dir,
        about={
          'checkpoint': path,
          'step': step,
          'prompt_format': cache_config.prompt_format,
          'left_out': store.left_out,
        },
        folder=os.path.join('eval', label),
      )
      found.append((label or path, name, evaluation.results))
  if len(found) > 1 and processes.is_first():
    _say_all(found, os.path.join(model_dir, 'eval'))


def _say_all(
  found: Sequence[tuple[str, str, Sequence[Mapping[str, Any]]]], folder: str
) -> None:
  """Prints and writes what several evaluations found, one table for all."""
  texts = []
  for label in dict.fromkeys(label for label, *_ in found):
    results = [r for of, _, rs in found if of == label for r in rs]
    texts.append(f'{label}, in percent:\n{records.tables(results)}')
  texts.append(f'means over parts, in percent:\n{checkpoints_table(found)}')
  text = '\n\n'.join(texts)
  path = pathlib.Path(folder) / records.TABLE
  records.write_whole(path, text + '\n')
  print(f'\n{text}\nall of this: {path}')


def _checkpoints(
  spec: str | Sequence[str] | None, model_dir: str, cache_dir: str
) -> dict[str, str]:
  """Returns the checkpoints meant, by what tells them apart; '' for one."""
  if spec == 'all':
    paths = [str(path) for path in Checkpointer.paths(model_dir)]
    if not paths:
      raise ConfigError(f"CHECKPOINT_PATH = 'all': none in {model_dir}")
  elif spec == 'best':
    paths = [Checkpointer.best(model_dir)]
  elif spec is None or isinstance(spec, str):
    paths = [base_model.locate(spec, cache_dir) or model_dir]
  else:
    paths = [base_model.locate(path, cache_dir) for path in spec]
  if len(paths) == 1:
    return {'': paths[0]}
  labels = [pathlib.PurePath(path).name for path in paths]
  if len(set(labels)) < len(labels):
    raise ConfigError(
      f'CHECKPOINT_PATH: results go to folders named by the last part of each '
      f'path, and these are not all different: {", ".join(labels)}'
    )
  return dict(zip(labels, paths, strict=True))


def run_evaluation(
  mixture: str,
  parts: Sequence[EvalPart],
  models: Models,
  model: DecoderConfig,
  params: Any,
  eval_config: EvalConfig,
  contaminated: Mapping[str, frozenset[str]] | None,
  model_dir: str,
  about: Mapping[str, Any],
  folder: str = 'eval',
) -> Evaluation:
  """Evaluates, prints the table, and writes it with results and records.

  All processes score, the first one prints and writes, to
  MODEL_DIR/FOLDER/MIXTURE. Answers found there are taken, where the same
  parameters gave them to the same prompts.
  """
  folder = os.path.join(model_dir, folder, mixture)
  journal = _journal(
    os.path.join(folder, _ANSWERS),
    {
      'params': params_digest(params),
      'model': dataclasses.asdict(model),
      'framing': dataclasses.asdict(models.framing),
      'units': [unit.digest for part in parts for unit in part.splits],
      'templates': [part.templates for part in parts],
      'max_rows': eval_config.max_rows,
      'stop': eval_config.stop,
      'flan_jax': __version__,
    },
  )
  bar = tqdm.tqdm(
    unit='example',
    desc=f'evaluating {mixture}',
    disable=not processes.is_first(),
  )

  def progress(done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)

  try:
    evaluation = score(
      parts, models, params, eval_config, progress, journal, contaminated
    )
  finally:
    bar.close()
    journal.flush()
  if not processes.is_first():
    return evaluation
  table = records.write(
    folder,
    evaluation,
    {
      'mixture': mixture,
      **dataclasses.asdict(eval_config),
      **about,
      'configuration': gin.operative_config_str().splitlines(),
    },
  )
  print(f'\n{mixture}, in percent:\n{table}')
  if eval_config.max_rows is not None:
    print(f'at most {eval_config.max_rows} rows of each part were evaluated')
  _say_exceptions(evaluation)
  print(f'results: {folder}')
  return evaluation


def _journal(path: str, key: Mapping[str, Any]) -> Journal:
  """Opens what was answered so far, alike on all processes."""
  opened = []

  def open_it() -> None:
    opened.append(Journal(path, key, writes=processes.is_first()))
    opened[0].start()

  processes.first_then_others(open_it)
  (journal,) = opened
  if journal.found:
    processes.log(f'{len(journal.found)} answers are there: {path}')
  return journal


def print_comparison(
  mixture: str, base: Evaluation, tuned: Evaluation, model_dir: str
) -> None:
  """Prints and writes what changed from one evaluation to the other.

  To MODEL_DIR/eval/MIXTURE/comparison.json and .txt.
  """
  if not processes.is_first():
    return
  comparisons = [
    comparison
    for (part, before), (_, after) in zip(
      base.answers, tuned.answers, strict=True
    )
    for comparison in compare(part.test, before, after)
  ]
  table = comparison_table(comparisons)
  print(f'\n{mixture}, before and after training, means over templates:')
  print(table)
  folder = os.path.join(model_dir, 'eval', mixture)
  records.write_comparison(folder, comparisons, table)


def _say_exceptions(evaluation: Evaluation) -> None:
  for result in evaluation.results:
    if result['mean'] is None:
      print(f'{result["part"]} was not evaluated: {result["null"]}')
  adapted = [r for r in evaluation.results if r['adapted']]
  if adapted:
    print('splits adapted to a smaller copy, not comparable with the paper:')
  for result in adapted:
    reasons = ', '.join(f'{k}: {v}' for k, v in result['adapted'].items())
    print(f'  {result["part"]}: {reasons}')
