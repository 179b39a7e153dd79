"""A prompt-tuning run: a training run whose base model is frozen."""

import dataclasses
import json
from typing import Any

import numpy as np

from flan_jax.batches.chosen_rows import divide
from flan_jax.batches.loader import BatchPlan
from flan_jax.batches.packing import PackingError
from flan_jax.cache.framing import Framing
from flan_jax.errors import ConfigError
from flan_jax.evaluation.evaluator import Evaluation
from flan_jax.evaluation.held_apart import HeldApartEvaluation, questions_of
from flan_jax.evaluation.mixture_evaluation import MixtureEvaluation
from flan_jax.evaluation.soft_prompts import SoftPrompt
from flan_jax.flags import Arguments
from flan_jax.model import soft_prompt
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.frozen_base_run import FrozenBaseRun
from flan_jax.runs.prompt_settings import PromptSettings, PromptTuneSettings
from flan_jax.runs.train_settings import TrainSettings
from flan_jax.runtime import processes
from flan_jax.runtime.paths import user_path, write_whole
from flan_jax.sharding import replicated
from flan_jax.training.part_checkpoint import PromptCheckpointer

# Lester et al. draw from the most frequent tokens. Tokenizers give those low
# ids, apart from special tokens and bytes.
_MOST_FREQUENT = 5_000
_UNIFORM = 0.5
_ROWS = 'prompt_rows.json'


@dataclasses.dataclass(frozen=True)
class CheckedPromptSettings(CheckedSettings):
  """Settings that fit each other; `settings` trains the prompt alone.

  `workspace` is that of the base model, without a prompt.
  """

  prompt: PromptSettings

  @classmethod
  def check_prompt(
    cls,
    settings: PromptTuneSettings,
    arguments: Arguments | None = None,
    profile: str | None = None,
  ) -> 'CheckedPromptSettings':
    """Checks settings, see `prompt_tune`; raises UserError if one is wrong."""
    training, prompt = settings.training, settings.prompt
    _check(training)
    checked = CheckedSettings.check(training, arguments, profile)
    if any(member.shots for member in checked.trained.members):
      raise ConfigError(
        f'{training.mixture} has exemplars: a soft prompt is trained on '
        'zero-shot examples, so name the task without .Nshot'
      )
    setup, replace = training.setup, dataclasses.replace
    model = replace(setup.model, prompt_vectors=prompt.length)
    frozen = (soft_prompt.ALL_OTHERS,)
    changed = replace(
      training,
      setup=replace(setup, model=model),
      optimizer=replace(training.optimizer, frozen=frozen),
    )
    fields = {**vars(checked), 'settings': changed}
    return cls(**fields, prompt=prompt)

  def summary(self) -> str:
    model, prompt = self.settings.setup.model, self.prompt
    size = prompt.length * model.d_model
    rows = 'all' if prompt.train_rows is None else prompt.train_rows
    return (
      f'{super().summary()}\n'
      f'of which trained: {size:,}, a prompt of {prompt.length} vectors '
      f'({4 * size / 1000:.1f} kB), on the frozen {self.initial_checkpoint}\n'
      f'training rows of a subset: {rows}, held apart: {prompt.dev_rows}'
    )


def _check(training: TrainSettings) -> None:
  """Raises ConfigError for settings of training that prompts do not have."""
  if training.initial_checkpoint is None:
    raise ConfigError(
      'INITIAL_CHECKPOINT_PATH is not set: a prompt needs a base model'
    )
  if training.optimizer.frozen:
    raise ConfigError(
      'FROZEN is set, but prompt-tune trains nothing but the prompt: remove it'
    )
  if training.setup.model.lora_rank:
    raise ConfigError(
      'LORA_RANK is set, but prompt-tune trains nothing but the prompt: remove '
      'it'
    )
  if training.optimizer.ema_decay is not None:
    raise ConfigError(
      'EMA_DECAY is set, but prompt-tune chooses the best step of the prompt '
      'itself: remove it'
    )
  if training.local_checkpoint_dir is not None:
    raise ConfigError(
      'LOCAL_CHECKPOINT_DIR is set, but checkpoints of a prompt are small: '
      'remove it, and lower CHECKPOINT_PERIOD'
    )
  if training.evaluation.validation_mixture is not None:
    raise ConfigError(
      'VALIDATION_MIXTURE is set, but prompt-tune chooses the step on training '
      'rows that it holds apart (PROMPT_DEV_ROWS): remove it'
    )


class PromptRun(FrozenBaseRun):
  """A run whose data is open. Nothing is compiled before `resume_or_start`."""

  _checkpointer_class = PromptCheckpointer
  _checked: CheckedPromptSettings

  def _open(self) -> None:
    prompt, workspace = self._checked.prompt, self._checked.workspace
    seed = self._settings.setup.seed
    divisions = [
      divide(split, prompt.train_rows, prompt.dev_rows, seed)
      for split in self._splits
    ]
    self._splits = [division.train for division in divisions]
    self._ids = soft_prompt.prompt_ids(0, prompt.length)
    framing = workspace.store.framing.after(self._ids)
    self._plan = self._batch_plan(framing)
    self._evaluation = self._open_evaluation()
    vocabulary = workspace.models.vocabulary
    apart = [division.held_apart for division in divisions]
    self._validation = HeldApartEvaluation(
      [q for split in apart for q in questions_of(split, framing, vocabulary)],
      workspace.models,
    )
    self._rows = {'held_apart': {split.name: _ids(split) for split in apart}}
    if prompt.train_rows is not None:
      self._rows['train'] = {split.name: _ids(split) for split in self._splits}

  def _batch_plan(self, framing: Framing) -> BatchPlan:
    try:
      return super()._batch_plan(framing)
    except PackingError as error:
      length = self._checked.prompt.length
      raise PackingError(
        f'{error}. {length} of the tokens are the prompt (PROMPT_LENGTH)'
      ) from error

  def _open_evaluation(self) -> MixtureEvaluation | None:
    evaluation = super()._open_evaluation()
    return evaluation and dataclasses.replace(
      evaluation,
      parts=[
        dataclasses.replace(part, soft_prompt=self._ids)
        for part in evaluation.parts
      ],
    )

  def _evaluate_base(self) -> Evaluation:
    """Evaluates the base model without a prompt."""
    return self._run_base(super()._open_evaluation(), self._base_params())

  def resume_or_start(self) -> None:
    """As in `TrainingRun`; also writes the ids of the rows of the run."""
    super().resume_or_start()
    if processes.is_first():
      path = user_path(self._settings.model_dir) / _ROWS
      write_whole(path, json.dumps(self._rows, indent=1))

  def _initial_params(self) -> Any:
    params, prompt = self._base_params(), self._checked.prompt
    seed, mesh = self._settings.setup.seed, self._mesh
    if prompt.init == 'uniform':
      width = self._settings.setup.model.d_model
      vectors = soft_prompt.uniform(prompt.length, width, _UNIFORM, seed, mesh)
    else:
      vectors = soft_prompt.from_tokens(
        self._settings.setup.model, params, self._initial_tokens(), mesh
      )
    return soft_prompt.add_to(params, vectors)

  def _initial_tokens(self) -> list[list[int]]:
    """Returns the tokens whose mean embedding each vector starts with."""
    length, setup = self._checked.prompt.length, self._settings.setup
    vocabulary = self._checked.workspace.models.vocabulary
    words: dict[str, None] = {}
    if self._checked.prompt.init == 'classes':
      for member in self._checked.trained.members:
        words |= dict.fromkeys((member.part.choices or {}).values())
      if not words:
        raise ConfigError(
          f"PROMPT_INIT is 'classes', but {self._settings.mixture} has no "
          "classes: use 'vocabulary'"
        )
    if len(words) > length:
      raise ConfigError(
        f"PROMPT_INIT is 'classes', and there are {len(words)} classes for "
        f'{length} vectors: raise PROMPT_LENGTH or use another PROMPT_INIT'
      )
    lowest = min(_MOST_FREQUENT, vocabulary.size)
    drawn = np.random.default_rng(setup.seed).choice(
      lowest, length - len(words), replace=length > lowest
    )
    groups = [vocabulary.encode(word) for word in words]
    return groups + [[token] for token in drawn.tolist()]

  def _with_part(self, params: Any, part: Any) -> Any:
    return {**params, **part}

  def _record(self) -> dict[str, Any]:
    prompt = dataclasses.asdict(self._checked.prompt)
    parts = {s.name: s.manifest['dataset'] for s in self._splits}
    about = {**prompt, 'trained_on': self._settings.mixture, 'parts': parts}
    return {**super()._record(), 'prompt': about}

  def _trained(self) -> tuple[Any, int]:
    """Returns the parameters with the prompt of the best step."""
    model_dir = self._settings.model_dir
    found = SoftPrompt.find(model_dir)
    model, whole = self._settings.setup.model, replicated(self._mesh)
    vectors = found.vectors(model, whole)
    params = soft_prompt.add_to(self._state['params'], vectors)
    return params, found.step


def _ids(split: Any) -> list[str]:
  return [row['id'] for row in split.rows]
