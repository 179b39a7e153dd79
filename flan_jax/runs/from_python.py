"""What `flan_jax` offers to Python beside models: import, rows and training.

These functions make caches in this process, so that they know the datasets
that it has declared.
"""

from collections.abc import Sequence
import dataclasses
import itertools
import os
from typing import Any, Literal

from flan_jax.batches.loader import PackingConfig
from flan_jax.batches.sampler import Sampler
from flan_jax.batches.training_splits import training_splits
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.identity import SplitKey
from flan_jax.cache.store import CacheStore, split_key
from flan_jax.definitions import names, registry
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.interop.loaded_model import Model, load_model
from flan_jax.interop.rendered_rows import (
  FORMATS,
  Joints,
  RenderedRows,
  check_lossless,
)
from flan_jax.runs import import_weights
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.run_setup import RunSetup
from flan_jax.runs.train_settings import EvaluationSettings, TrainSettings
from flan_jax.runs.training_run import TrainingRun
from flan_jax.runtime.tensorflow_start import (
  quiet_start,
  skip_graph_optimization,
)
from flan_jax.sharding import MeshConfig
from flan_jax.sources.mini import open_data_dir
from flan_jax.training.loop import LoopConfig
from flan_jax.training.optimizer import OptimizerConfig
from flan_jax.vocabulary.load import MINI, load_vocabulary


def import_model(source: str | os.PathLike, out: str | os.PathLike) -> None:
  """Writes a pretrained model as a checkpoint, as `flan-jax import` does.

  Args:
    source: A Hugging Face folder, a GGUF file, or an installed package with
      one of them.
    out: The folder to write, for `load_model`.

  Raises:
    UserError: The model cannot be imported.
  """
  import_weights.main([f'--from={source}', f'--out={out}'])


def render(
  name: str,
  rows: int,
  cache: CacheConfig,
  format: Literal['prompt-completion', 'messages', 'text'] = (
    'prompt-completion'
  ),
  vocabulary: str = MINI,
  seed: int = 0,
) -> list[dict[str, Any]]:
  """Returns training examples as text, as `flan-jax render` writes them.

  Args:
    name: A mixture, a dataset or a task.
    rows: How many to return.
    cache: Folders and lengths.
    format: The columns of a row.
    vocabulary: Decides what fits into the lengths.
    seed: Decides order and exemplars.

  Raises:
    UserError: There is no such name, or its rows are not prepared.
  """
  registry.load()
  plan = names.resolve(name)
  loaded = load_vocabulary(vocabulary)
  check_lossless(loaded)
  cache = dataclasses.replace(
    cache, data_dir=open_data_dir(cache.data_dir, cache.cache_dir)
  )
  store = CacheStore(cache, loaded)
  _make(store, [split_key(member, 'train') for member in plan.members])
  sampler = Sampler(training_splits(store, plan, seed), store.framing, seed)
  examples = RenderedRows(sampler, loaded, sum(cache.lengths.values()))
  joints = Joints.of(cache)
  return [
    {**FORMATS[format](example, joints), **example.about}
    for example in itertools.islice(examples, rows)
  ]


def train(
  model: Model,
  mixture: str,
  steps: int,
  model_dir: str | os.PathLike,
  cache: CacheConfig,
  packing: PackingConfig | None = None,
  optimizer: OptimizerConfig | None = None,
  seed: int = 0,
) -> Model:
  """Tunes a model, as `flan-jax train` does, and returns the tuned one.

  Args:
    model: The model to start from; it does not change.
    mixture: A mixture, a dataset or a task.
    steps: Steps of the whole run.
    model_dir: Folder of the run. It goes on if it has checkpoints.
    cache: Folders and lengths. Prompts have the format of the model.
    packing: Shape of a batch; None for the paper's.
    optimizer: Adafactor's or AdamW's settings; None for the paper's.
    seed: Decides all that is random.

  Raises:
    UserError: A setting cannot work; before anything is compiled.
  """
  registry.load()
  data_dir = open_data_dir(cache.data_dir, cache.cache_dir)
  settings = TrainSettings(
    model_dir=str(model_dir),
    mixture=mixture,
    setup=RunSetup(
      model=model.config,
      mesh=MeshConfig(),
      cache_config=dataclasses.replace(
        cache, data_dir=data_dir, prompt_format=model.prompt_format
      ),
      vocabulary=str(model.vocabulary.path),
      seed=seed,
    ),
    packing=packing or PackingConfig(),
    optimizer=optimizer or OptimizerConfig(),
    loop=LoopConfig(train_steps=steps, eval_period=0),
    evaluation=EvaluationSettings(EvalConfig()),
    initial_checkpoint=model.path,
    trackers=(),
  )
  checked = CheckedSettings.check(settings)
  _make(checked.workspace.store, checked.keys)
  with TrainingRun.prepare(checked) as run:
    run.resume_or_start()
    run.train()
  return load_model(model_dir, str(model.vocabulary.path))


def _make(store: CacheStore, keys: Sequence[SplitKey]) -> None:
  """Makes the splits that are missing, in this process."""
  missing = store.missing(keys)
  if not missing:
    return
  with quiet_start():
    from flan_jax.cache.writer import make_cached_splits
  skip_graph_optimization()
  make_cached_splits(missing, store.config, store.vocabulary, lambda line: None)
