"""`flan-jax train`: tunes a decoder, then evaluates what it never saw."""

from collections.abc import Sequence
import dataclasses
import difflib
import os
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax.batches.loader import BatchPlan, PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.training_splits import training_splits
from flan_jax.batches.window import WindowStart
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.store import CacheStore, split_keys
from flan_jax.definitions import registry
from flan_jax.errors import ConfigError
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import eval_parts, validation_split
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.models import Models, make_models
from flan_jax.evaluation.requests import requests
from flan_jax.evaluation.validation import ValidationEvaluation
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.model import DecoderConfig, abstract_params, init_params
from flan_jax.runtime import processes
from flan_jax.runtime.compilation import keep_compiled
from flan_jax.sharding import (
  MeshConfig,
  batch_sharding,
  batch_shards,
  check_batch,
  make_mesh,
)
from flan_jax.training import (
  Checkpointer,
  OptimizerConfig,
  abstract_state,
  init_state,
  make_optimizer,
  make_train_step,
)
from flan_jax.training.checkpoint import check_vocabulary
from flan_jax.training.loop import Loop, LoopConfig
from flan_jax.training.metric_writer import Console, MetricWriter
from flan_jax.training.profile import ProfileWindow
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary


@gin.configurable(module='flan_jax')
def train(
  mixture: str,
  model_dir: str,
  model: DecoderConfig,
  optimizer: OptimizerConfig,
  packing: PackingConfig,
  mesh: MeshConfig,
  loop: LoopConfig,
  cache_config: CacheConfig,
  vocabulary: str,
  eval_config: EvalConfig,
  allow_missing: bool = False,
  seed: int = 0,
  initial_checkpoint: str | None = None,
  validation_mixture: str | None = None,
  eval_mixture: str | None = None,
  eval_base: bool = False,
  eval_rows: int | None = None,
  tokens_per_eval_batch: int = 8192,
  compilation_cache: str | None = None,
  profile: str | None = None,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Trains on a mixture and, at the end, evaluates another.

  Args:
    mixture: Mixture or task to train on.
    model_dir: Folder of the run; training resumes from what is there.
    model: Shape of the decoder.
    optimizer: Adafactor's settings.
    packing: Shape of a batch.
    mesh: Shape of the device mesh.
    loop: Length of the run and its periods.
    cache_config: Directories and lengths of the token cache.
    vocabulary: As VOCABULARY.
    eval_config: How much the evaluation at the end asks.
    allow_missing: Leaves out what is not prepared; results say so.
    seed: Decides initial parameters, order of examples and dropout.
    initial_checkpoint: Where parameters start from; only without a checkpoint
      in model_dir.
    validation_mixture: Its validation rows are scored every eval_period steps;
      None for those of what is trained.
    eval_mixture: What is evaluated at the end; None for nothing.
    eval_base: Whether what training starts from is evaluated first, and
      compared with what it ends with.
    eval_rows: Development rows of a part scored every eval_period steps.
    tokens_per_eval_batch: Places of an evaluation batch.
    compilation_cache: Where compiled programs are kept; None keeps none.
    profile: First and last step to profile, as '10:12'; None for no profile.
    arguments: What a child process that makes missing caches is started with.
    dry_run: Checks everything that can be checked without computing, and
      stops.

  Raises:
    ConfigError, UnknownNameError, ValueError: before anything is compiled.
  """
  keep_compiled(compilation_cache)
  window = None if profile is None else ProfileWindow.parse(profile)
  if window is not None:
    window.check(taken=0, train_steps=loop.train_steps)
  keys = split_keys([mixture, eval_mixture])
  keys += [
    k for k in split_keys([validation_mixture], training=False) if k not in keys
  ]
  cache_dir = cache_config.cache_dir
  tokens = load_vocabulary(base_model.locate(vocabulary, cache_dir))
  initial_checkpoint = base_model.locate(initial_checkpoint, cache_dir)
  check_vocabulary(tokens, model)
  contaminated = None
  if eval_config.contaminated is not None:
    contaminated = Contaminated.read(eval_config.contaminated)
  devices = make_mesh(mesh)
  check_batch(packing.batch_rows, devices)
  _check_microbatches(packing, loop, batch_shards(devices))
  store = CacheStore(
    cache_config, tokens, arguments and arguments.flags(), allow_missing
  )
  if dry_run:
    _print_plan(mixture, eval_mixture, model, store.missing(keys))
    return
  processes.first_then_others(lambda: store.ensure(keys))
  units = training_splits(store, mixture, seed)
  # Opened now, so that what cannot be evaluated is said before training.
  parts = [] if eval_mixture is None else eval_parts(store, eval_mixture, seed)
  framing = Framing.of(cache_config, tokens)
  plan = BatchPlan(Sampler(units, framing, seed), packing)
  _print_data(units, plan, packing)
  if processes.is_first():
    config_lib.write_record(model_dir)
  models = make_models(
    model, devices, tokens, cache_config, tokens_per_eval_batch
  )

  evaluation = MixtureEvaluation(
    eval_mixture,
    parts,
    models,
    eval_config,
    contaminated,
    {
      'prompt_format': cache_config.prompt_format,
      'left_out': store.left_out,
      'configuration': gin.operative_config_str().splitlines(),
    },
  )
  eval_folder = os.path.join(model_dir, 'eval')

  def initial_params():
    return _initial_params(initial_checkpoint, tokens, model, seed, devices)

  base = None
  if eval_base and parts:
    base = evaluation.run(
      initial_params(),
      os.path.join(model_dir, 'eval_base'),
      {'step': 0, 'trained_on': None},
    )
  validation = _validation_evaluation(
    store, validation_mixture, units, seed, models, framing, eval_rows
  )
  _check_best(loop, validation)
  checkpointer = Checkpointer(
    model_dir, keep=loop.keep_checkpoints, best=loop.keep_best is not None
  )
  state = _first_state(
    checkpointer,
    plan,
    initial_params,
    initial_checkpoint,
    model,
    optimizer,
    seed,
    devices,
  )
  taken, shows = int(state['step']), processes.is_first()
  if window is not None:
    window.check(taken, loop.train_steps)
  writer = MetricWriter(model_dir, taken, shows)
  console = Console(taken, loop.train_steps, shows)
  state = Loop(
    loop,
    plan,
    make_train_step(
      model,
      make_optimizer(optimizer),
      devices,
      loop.microbatches,
      loop.z_loss,
      optimizer.frozen,
    ),
    batch_sharding(devices),
    checkpointer,
    _record(plan, model, seed, tokens, cache_config),
    model,
    validation,
    window,
  ).run(state, writer, console)
  console.close()
  writer.close()
  checkpointer.close()
  if parts:
    tuned = evaluation.run(
      state['params'],
      eval_folder,
      {'step': int(state['step']), 'trained_on': mixture},
    )
    if base is not None:
      evaluation.print_comparison(base, tuned, eval_folder)


def _check_microbatches(
  packing: PackingConfig, loop: LoopConfig, shards: int
) -> None:
  if packing.batch_rows % (loop.microbatches * shards):
    raise ConfigError(
      f'BATCH_ROWS {packing.batch_rows} is not divisible by MICROBATCHES '
      f'{loop.microbatches} x {shards} shards of the mesh'
    )


def _print_plan(mixture, eval_mixture, model, missing) -> None:
  print(f'would train on {mixture}, then evaluate {eval_mixture}')
  print(f'parameters: {model.param_count():,}')
  listed = ', '.join(map(str, missing))
  print(f'units to be cached first: {listed or "none"}')


def _print_data(
  units: Sequence[CachedSplit], plan: BatchPlan, packing: PackingConfig
) -> None:
  adapted = [unit.name for unit in units if unit.manifest['adapted']]
  if adapted:
    processes.log(f'splits adapted to a smaller copy: {", ".join(adapted)}')
  rows = sum(unit.num_rows for unit in units)
  processes.log(
    f'training on {len(units)} parts, {rows} rows; batches of '
    f'{packing.batch_rows} x {packing.pack_length} tokens, '
    f'{plan.capacity.targets} target tokens a row, fill {plan.fill():.3f}'
  )


def _record(
  plan: BatchPlan,
  model: DecoderConfig,
  seed: int,
  vocabulary: Vocabulary,
  cache_config: CacheConfig,
) -> dict[str, Any]:
  return {
    'data_order_digest': plan.data_order_digest,
    'model': dataclasses.asdict(model),
    'seed': seed,
    'template_set': registry.template_set(),
    'vocabulary': vocabulary.record(),
    'prompt_format': cache_config.prompt_format,
  }


def _initial_params(initial_checkpoint, tokens, model, seed, devices):
  """What training starts from: a checkpoint's parameters, or drawn ones."""
  if initial_checkpoint is None:
    return init_params(model, seed, devices)
  check_vocabulary(tokens, model, initial_checkpoint)
  return Checkpointer.restore_params(
    initial_checkpoint, abstract_params(model, devices)
  )


def _first_state(
  checkpointer,
  plan,
  initial_params,
  initial_checkpoint,
  model,
  optimizer,
  seed,
  devices,
):
  """Resumes from MODEL_DIR, or starts from the initial parameters.

  Raises:
    ConfigError: the checkpoint was trained on other data, or in other order.
  """
  transform = make_optimizer(optimizer)
  restored = checkpointer.restore_latest(
    abstract_state(model, transform, devices)
  )
  if restored is not None:
    state, record, step = restored
    if record['data_order_digest'] != plan.data_order_digest:
      raise ConfigError(
        f'{checkpointer.model_dir} was trained with other data, rates, seed or '
        f'batch shape (data_order_digest {record["data_order_digest"]}, now '
        f'{plan.data_order_digest}): use '
        'the same settings, or another MODEL_DIR'
      )
    plan.windows.start_at(WindowStart(**record['window']))
    if initial_checkpoint is not None:
      processes.log(
        'INITIAL_CHECKPOINT_PATH is not used: MODEL_DIR has checkpoints'
      )
    processes.log(f'resuming from step {step} of {checkpointer.model_dir}')
    return state
  if initial_checkpoint is not None:
    processes.log(f'starting from the parameters of {initial_checkpoint}')
  return init_state(model, transform, seed, devices, initial_params())


def _validation_evaluation(
  store: CacheStore,
  mixture: str | None,
  units: Sequence[CachedSplit],
  seed: int,
  models: Models,
  framing: Framing,
  rows: int | None,
) -> ValidationEvaluation | None:
  """Ranks development rows of a mixture, or else of the trained parts.

  None where no part has development rows that can be ranked.
  """
  if mixture is None:
    developments = [validation_split(store, unit.part) for unit in units]
  else:
    developments = [
      part.validation for part in eval_parts(store, mixture, seed)
    ]
  queue = [
    request
    for unit in developments
    if unit is not None and unit.rows and 'correct' in unit.rows[0]
    for request in requests(unit, framing, max_rows=rows)
  ]
  return ValidationEvaluation(queue, models) if queue else None


def _check_best(
  loop: LoopConfig, validation: ValidationEvaluation | None
) -> None:
  names = () if validation is None else validation.names
  if loop.keep_best is not None and loop.keep_best not in names:
    close = difflib.get_close_matches(loop.keep_best, names, n=1)
    hint = f', nearest: {close[0]}' if close else ''
    raise ConfigError(
      f'KEEP_BEST is {loop.keep_best!r}, which no development rows give{hint}'
    )
