"""`flan-jax eval`: evaluates a checkpoint, zero-shot or few-shot."""

from collections.abc import Mapping, Sequence
import os
from typing import Any

import tqdm

from flan_jax.config import Arguments
from flan_jax.data.cache import CacheConfig, Framing
from flan_jax.data.vocabulary import load_vocabulary
from flan_jax.evaluation import records
from flan_jax.evaluation.comparison import compare, comparison_table
from flan_jax.evaluation.evaluate import EvalPart, Evaluation, Models
from flan_jax.evaluation.evaluate import evaluate as score
from flan_jax.evaluation.generate import Generator
from flan_jax.evaluation.rank import Scorer
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.runs import base_model, processes
from flan_jax.runs.cache import unit_keys
from flan_jax.runs.compilation import keep_compiled
from flan_jax.runs.units import UnitStore, check_vocabulary
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import Checkpointer
import gin


@gin.configurable(module='flan_jax')
def evaluate(
  mixture: str,
  model_dir: str,
  model: DecoderConfig,
  mesh: MeshConfig,
  cache_config: CacheConfig,
  vocabulary: str,
  allow_missing: bool = False,
  checkpoint: str | None = None,
  max_rows: int | None = None,
  tokens_per_batch: int = 8192,
  seed: int = 0,
  compilation_cache: str | None = None,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Evaluates a checkpoint on every ordinary template of a mixture.

  Args:
    mixture: Mixture or task, as `flan_eval_nli`.
    model_dir: Folder that results are written below; its newest checkpoint is
      evaluated.
    model: Shape of the decoder.
    mesh: Shape of the device mesh.
    cache_config: Directories and lengths of the token cache.
    vocabulary: As VOCABULARY.
    allow_missing: Leaves out what is not prepared; results say so.
    checkpoint: Another checkpoint, or model directory, to evaluate.
    max_rows: Most rows of a part; None for all.
    tokens_per_batch: Places of a batch.
    seed: Chooses exemplars.
    compilation_cache: Where compiled programs are kept; None keeps none.
    arguments: What a child process that makes missing caches is started with.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    ConfigError, UnknownNameError, ValueError: before anything is compiled.
  """
  keep_compiled(compilation_cache)
  keys = unit_keys([mixture], training=False)
  cache_dir = cache_config.cache_dir
  tokens = load_vocabulary(base_model.locate(vocabulary, cache_dir))
  checkpoint = base_model.locate(checkpoint, cache_dir)
  check_vocabulary(tokens, model)
  devices = make_mesh(mesh)
  store = UnitStore(cache_config, tokens, arguments, seed, allow_missing)
  if dry_run:
    listed = ', '.join(map(str, store.missing(keys)))
    print(f'would evaluate {mixture}; units to be cached: {listed or "none"}')
    return
  path = checkpoint or model_dir
  check_vocabulary(tokens, model, path)
  params = Checkpointer.restore_params(path, abstract_params(model, devices))
  processes.first_then_others(lambda: store.ensure(keys))
  run_evaluation(
    mixture=mixture,
    parts=store.evaluation(mixture),
    models=Models(
      scorer=Scorer(model, devices, tokens_per_batch),
      generator=Generator(
        model,
        devices,
        tokens.eos_id,
        tokens_per_batch,
        vocab_size=tokens.size,
      ),
      vocabulary=tokens,
      framing=Framing.of(cache_config, tokens),
    ),
    params=params,
    max_rows=max_rows,
    model_dir=model_dir,
    about={
      'checkpoint': path,
      'separator': cache_config.separator,
      'left_out': store.left_out,
    },
  )


def run_evaluation(
  mixture: str,
  parts: Sequence[EvalPart],
  models: Models,
  params: Any,
  max_rows: int | None,
  model_dir: str,
  about: Mapping[str, Any],
  folder: str = 'eval',
) -> Evaluation:
  """Evaluates, prints the table, and writes it with results and records.

  All processes score, the first one prints and writes, to
  MODEL_DIR/FOLDER/MIXTURE.
  """
  bar = tqdm.tqdm(
    unit='example',
    desc=f'evaluating {mixture}',
    disable=not processes.is_first(),
  )

  def progress(done: int, total: int) -> None:
    bar.total = total
    bar.update(done - bar.n)

  evaluation = score(parts, models, params, max_rows, progress)
  bar.close()
  if not processes.is_first():
    return evaluation
  folder = os.path.join(model_dir, folder, mixture)
  table = records.write(
    folder,
    evaluation,
    {'mixture': mixture, 'max_rows': max_rows, **about},
  )
  print(f'\n{mixture}, in percent:\n{table}')
  if max_rows is not None:
    print(f'at most {max_rows} rows of each part were evaluated')
  _say_exceptions(evaluation)
  print(f'results: {folder}')
  return evaluation


def say_comparison(
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
