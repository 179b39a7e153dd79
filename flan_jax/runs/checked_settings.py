"""Settings of a training run that fit each other."""

from collections.abc import Iterator, Sequence
import dataclasses
import functools

from flan_jax.cache.identity import SplitKey
from flan_jax.cache.store import split_keys
from flan_jax.definitions import held_out, names
from flan_jax.definitions.held_out import History, TrainedOn
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.errors import ConfigError
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.flags import Arguments
from flan_jax.model import DecoderConfig
from flan_jax.planning.device_memory import check_memory
from flan_jax.planning.request import Request
from flan_jax.runs.run_report import check_report
from flan_jax.runs.run_setup import Workspace
from flan_jax.runs.train_settings import TrainSettings
from flan_jax.runs.training_history import initial_history
from flan_jax.runtime.paths import is_local
from flan_jax.sharding import check_batch
from flan_jax.training.optimizer import for_model
from flan_jax.training.profile import ProfileWindow
from flan_jax.training.trackers import check_trackers


@dataclasses.dataclass(frozen=True)
class CheckedSettings:
  """Settings that fit each other, before any data is opened.

  Attributes:
    settings: The settings.
    workspace: The model and the cache.
    trained: The mixture to train on.
    evaluated: The mixture to evaluate at the end; None for none.
    validated: The mixture whose validation rows are scored; None for `trained`.
    keys: The cached splits that the run reads.
    initial_checkpoint: The checkpoint to start from; None for none.
    initial_history: What the initial parameters were trained on.
    contaminated: Rows that pretraining may have seen; None if not known.
    profile: Steps to profile; None for none.
    trackers: Where metrics go.
  """

  settings: TrainSettings
  workspace: Workspace
  trained: MixturePlan
  evaluated: MixturePlan | None
  validated: MixturePlan | None
  keys: Sequence[SplitKey]
  initial_checkpoint: str | None
  initial_history: History
  contaminated: Contaminated | None
  profile: ProfileWindow | None
  trackers: Sequence[str]

  @classmethod
  def check(
    cls,
    settings: TrainSettings,
    arguments: Arguments | None = None,
    profile: str | None = None,
    workspace: Workspace | None = None,
  ) -> 'CheckedSettings':
    """Checks settings, see `train`; raises UserError if one cannot work.

    A workspace of the same setup may be given, if one is open already.
    """
    window = None if profile is None else ProfileWindow.parse(profile)
    if window is not None:
      window.check(taken=0, train_steps=settings.loop.train_steps)
    trackers = check_trackers(settings.trackers)
    check_report(settings.report)
    local = settings.local_checkpoint_dir
    if local is not None and not is_local(local):
      raise ConfigError(
        f'LOCAL_CHECKPOINT_DIR is {local}; it must be on a disk of this host'
      )
    settings = _with_adapters(settings)
    setup, evaluation = settings.setup, settings.evaluation
    if setup.use_ema and settings.optimizer.ema_decay is None:
      raise ConfigError(
        'USE_EMA is True, but the run has no moving average: set EMA_DECAY, '
        'such as 0.999'
      )
    resolve = functools.cache(names.resolve)
    trained = resolve(settings.mixture)
    evaluated, validated = (
      None if name is None else resolve(name)
      for name in (evaluation.mixture, evaluation.validation_mixture)
    )
    _check_unseen(trained, evaluated)
    scored = settings.loop.eval_period > 0
    keys = split_keys([trained, evaluated], scored=scored)
    keys += split_keys([validated] if scored else [], training=False)
    workspace = workspace or setup.open(arguments)
    check_batch(
      settings.packing.batch_rows, workspace.mesh, settings.loop.microbatches
    )
    initial = setup.locate(settings.initial_checkpoint)
    before = initial_history(settings.model_dir, initial)
    if evaluated is not None and evaluation.eval_config.require_held_out:
      before.then(TrainedOn.of(trained)).require_held_out([evaluated])
    contaminated = evaluation.eval_config.contaminated
    return cls(
      settings=settings,
      workspace=workspace,
      trained=trained,
      evaluated=evaluated,
      validated=validated,
      keys=list(dict.fromkeys(keys)),
      initial_checkpoint=initial,
      initial_history=before,
      contaminated=contaminated and Contaminated.read(contaminated),
      profile=window,
      trackers=trackers,
    )

  @property
  def history(self) -> History:
    """What the parameters will have been trained on."""
    return self.initial_history.then(TrainedOn.of(self.trained))

  def headline(self) -> str:
    """Returns what is evaluated but not held out; empty if nothing is."""
    if self.evaluated is None:
      return ''
    return held_out.headline(self.history.breaches([self.evaluated]))

  def summary(self) -> str:
    """Returns what the run would do, for --dry_run.

    Raises:
      ConfigError: A training step needs more memory than the devices have.
    """
    missing = ', '.join(map(str, self.workspace.store.missing(self.keys)))
    model = self.settings.setup.model
    lines = [
      self.headline(),
      f'would train on {self.settings.mixture}, then evaluate '
      f'{self.settings.evaluation.mixture}',
      f'parameters: {model.param_count():,}',
      *self._adapter_lines(model),
      f'splits to cache first: {missing or "none"}',
      check_memory(self._request(), self.workspace.mesh),
    ]
    return '\n'.join(filter(None, lines))

  def _adapter_lines(self, model: DecoderConfig) -> Iterator[str]:
    if model.lora_rank:
      yield (
        f'of which trained: {model.lora_count():,}, adapters of rank '
        f'{model.lora_rank} beside {", ".join(model.lora_projections)}, on the '
        f'frozen {self.initial_checkpoint}'
      )

  def _request(self) -> Request:
    """Returns the run as the planner takes it."""
    settings, setup = self.settings, self.settings.setup
    packing = settings.packing
    return Request(
      model=setup.model,
      optimizer=settings.optimizer,
      mesh=setup.mesh,
      topology='',
      simulated=False,
      batch_rows=packing.batch_rows,
      pack_length=packing.pack_length,
      target_budget=packing.target_budget,
      microbatches=settings.loop.microbatches,
      eval_length=row_length(sum(setup.cache_config.lengths.values())),
      eval_tokens=setup.tokens_per_batch,
      train_steps=settings.loop.train_steps,
    )


def _with_adapters(settings: TrainSettings) -> TrainSettings:
  """Returns settings that freeze the base of adapters, if there are some.

  Raises:
    ConfigError: Adapters have no base, or a setting does not go with them.
  """
  model = settings.setup.model
  if model.lora_rank and settings.initial_checkpoint is None:
    raise ConfigError(
      'LORA_RANK is set, but INITIAL_CHECKPOINT_PATH is not: adapters need a '
      'base model'
    )
  if model.lora_rank and settings.local_checkpoint_dir is not None:
    raise ConfigError(
      'LOCAL_CHECKPOINT_DIR is set, but checkpoints of adapters are small: '
      'remove it, and lower CHECKPOINT_PERIOD'
    )
  optimizer = for_model(settings.optimizer, model)
  return dataclasses.replace(settings, optimizer=optimizer)


def _check_unseen(trained: MixturePlan, evaluated: MixturePlan | None) -> None:
  """Raises ConfigError if the rows evaluated are those trained on."""
  sources = {member.part.source for member in trained.members}
  for member in evaluated.members if evaluated else ():
    if member.part.on_training_rows and member.part.source in sources:
      raise ConfigError(
        f'EVAL_MIXTURE {evaluated.name} evaluates training rows of '
        f'{member.part.name}, which {trained.name} trains on: leave out '
        '.train_rows, or train on a mixture that holds it out'
      )
