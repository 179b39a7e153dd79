"""The model and cached splits of `flan-jax train`, `eval` and `infer`."""

from collections.abc import Iterable, Sequence
import dataclasses
import functools
from typing import Any, Literal

import gin
import jax

from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import CacheConfig
from flan_jax.cache.store import CacheStore, split_keys
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig
from flan_jax.evaluation.eval_parts import EvalPart, eval_parts
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.models import Models
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.evaluation.soft_prompts import SoftPrompts
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.model import DecoderConfig, cast_matrices
from flan_jax.rendering.exemplars import PER_ROW, Exemplars
from flan_jax.runtime import processes
from flan_jax.runtime.code_version import code_version
from flan_jax.runtime.compilation import keep_compiled
from flan_jax.setting_types import Count, Path, Seed
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.terminal.bar import Bar
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import Expected, check_size
from flan_jax.training.model_checkpoint import check_record, restore_model
from flan_jax.vocabulary.load import load_vocabulary

# Programs are traced once for all runs of a process, such as those of a study.
_scorer = functools.lru_cache(maxsize=4)(Scorer)
_generator = functools.lru_cache(maxsize=4)(Generator)


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class RunSetup:
  """Settings of a model and of its data.

  Attributes:
    model: Shape of the decoder.
    mesh: Shape of the device mesh.
    cache_config: Directories and lengths of the token cache.
    vocabulary: The VOCABULARY macro.
    tokens_per_batch: Tokens of a batch, over all devices.
    seed: Chooses exemplars.
    allow_missing: Whether to leave out what is not prepared.
    compilation_cache: Folder of compiled programs; None keeps none.
    use_ema: Whether the moving average of the parameters (EMA_DECAY) is
      evaluated, answers and is served, in place of the parameters.
    param_dtype: Type of the matrices when a checkpoint is evaluated, answers or
      is served: 'bfloat16' halves the memory that each step reads. Training
      has its own.
    eval_compute_dtype: Type in which options are scored. Only float32 scores
      do not depend on the batch.
    base_checkpoint: Where the base model of adapters is; None for the place
      that their checkpoint records.
    exemplars: Whether all rows that are evaluated have the same.
  """

  model: DecoderConfig
  mesh: MeshConfig
  cache_config: CacheConfig
  vocabulary: Path
  tokens_per_batch: Count = 8192
  seed: Seed = 0
  allow_missing: bool = False
  compilation_cache: Path | None = None
  use_ema: bool = False
  base_checkpoint: Path | None = None
  param_dtype: Literal['float32', 'bfloat16'] = 'float32'
  eval_compute_dtype: Literal['float32', 'bfloat16'] = 'float32'
  exemplars: Exemplars = PER_ROW

  def open(
    self, arguments: Arguments | None, sampling: Sampling | None = None
  ) -> 'Workspace':
    """Opens everything but parameters and splits; compiles nothing.

    `arguments` are given to the child process that makes missing caches.
    """
    keep_compiled(self.compilation_cache)
    vocabulary = load_vocabulary(self.locate(self.vocabulary))
    check_size(vocabulary, self.model)
    mesh = make_mesh(self.mesh)
    flags = arguments and arguments.flags()
    store = CacheStore(self.cache_config, vocabulary, flags, self.allow_missing)
    tokens, ends = self.tokens_per_batch, vocabulary.end_ids
    generator = _generator(
      self.model, mesh, ends, tokens, sampling, vocabulary.size
    )
    models = Models(
      config=self.model,
      scorer=_scorer(
        self.model, mesh, tokens, compute_dtype=self.eval_compute_dtype
      ),
      generator=generator,
      vocabulary=vocabulary,
      framing=store.framing,
    )
    return Workspace(self, mesh, models, store)

  def cast(self, params: Any) -> Any:
    """Returns parameters in the type of `param_dtype`."""
    return cast_matrices(params, self.param_dtype)

  def locate(self, path: str | None) -> str | None:
    """Returns the path of a checkpoint or vocabulary; see `base_model`."""
    return base_model.locate(path, self.cache_config.cache_dir)


@dataclasses.dataclass(frozen=True)
class Workspace:
  """What `RunSetup.open` opened."""

  setup: RunSetup
  mesh: jax.sharding.Mesh
  models: Models
  store: CacheStore

  @property
  def expected(self) -> Expected:
    """What a checkpoint must have been made with."""
    return Expected(
      self.setup.model,
      self.models.vocabulary,
      self.setup.cache_config.prompt_format,
    )

  def check_checkpoint(self, path: str, starts: bool = False) -> None:
    """Checks what a checkpoint was made with, see `check_record`."""
    check_record(path, self.expected, starts)

  def restore(self, path: str, average: bool = False) -> Any:
    """Returns the parameters of a checkpoint, or of the newest in a folder.

    With `average`, those trained are their moving average. Adapters are merged
    into their base.
    """
    setup, base = self.setup, self.setup.locate(self.setup.base_checkpoint)
    with Bar(f'reading {path}', enabled=processes.is_first()):
      return restore_model(path, setup.model, self.mesh, average, base)

  def restore_evaluated(self, path: str) -> Any:
    """As `restore`, of what USE_EMA says."""
    return self.restore(path, self.setup.use_ema)

  def check_same(
    self,
    trained: Iterable[CachedSplit],
    evaluated: Iterable[EvalPart],
    checkpoints: Iterable[str],
  ) -> None:
    """Raises ConfigError if the processes of a run do not have the same.

    Compares settings, code, cached splits and the parameters of checkpoints.
    """
    if jax.process_count() == 1:
      return
    splits = [*trained, *(s for part in evaluated for s in part.splits)]
    processes.check_same(
      {
        'settings': gin.config_str().splitlines(),
        'versions of flan_jax and JAX': [code_version()],
        'cached splits': [f'{split.name} {split.digest}' for split in splits],
        'checkpoints': [
          f'{path} (params_digest {Checkpointer.digests(path)["params"]})'
          for path in checkpoints
        ],
      }
    )

  def missing(self, mixtures: Sequence[MixturePlan]) -> str:
    """Returns the names of the splits that are not cached yet; '' for none.

    Raises:
      MissingDataError: They cannot be made, because data is not prepared.
    """
    missing = self.store.missing(split_keys(mixtures, training=False))
    self.store.check_data(missing)
    return ', '.join(map(str, missing))

  def ensure(self, mixtures: Sequence[MixturePlan]) -> None:
    """Has a child process make missing caches of what is evaluated."""
    keys = split_keys(mixtures, training=False)
    processes.first_then_others(lambda: self.store.ensure(keys))

  def parts(self, mixture: MixturePlan) -> list[EvalPart]:
    """Opens the parts of a mixture, which must be cached."""
    setup = self.setup
    return eval_parts(self.store, mixture, setup.seed, setup.exemplars)

  def evaluation(
    self,
    mixture: MixturePlan,
    config: EvalConfig,
    contaminated: Contaminated | None,
    prompts: SoftPrompts | None = None,
  ) -> MixtureEvaluation:
    """Opens a mixture, which must be cached, to evaluate it.

    With prompts, each part has its own before its examples.
    """
    parts = self.parts(mixture)
    if prompts is not None:
      parts = prompts.before(parts)
    about = {
      'prompt_format': self.setup.cache_config.prompt_format,
      'fewshot_exemplars': self.setup.exemplars,
      'left_out': self.store.left_out,
      'configuration': gin.operative_config_str().splitlines(),
    }
    return MixtureEvaluation(
      mixture, parts, self.models, config, contaminated, about
    )
