"""Soft prompts of the cells of a study."""

from collections.abc import Mapping
import dataclasses
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax.cache.store import split_keys
from flan_jax.flags import Arguments
from flan_jax.runs.prompt_run import CheckedPromptSettings, PromptRun
from flan_jax.runs.prompt_settings import PromptTuneSettings
from flan_jax.studies.archive import PROMPTS, Archive, Finished
from flan_jax.studies.cell_digest import (
  Decides,
  asked,
  data_of,
  decided,
  members_of,
)
from flan_jax.training.checkpoint import Checkpointer

# Read after the files of the study; as a run file, it overrides none of them.
_GIN_FILE = 'runs/study_prompt.gin'


@gin.configurable(module='flan_jax')
def study_prompt(settings: PromptTuneSettings) -> PromptTuneSettings:
  """Returns the settings of a soft prompt, as gin makes them."""
  return settings


class PromptCell:
  """A soft prompt of one task, for the model of one cell."""

  def __init__(
    self, arguments: Arguments, task: str, values: Mapping[str, Any], base: str
  ):
    """Parses the settings.

    Args:
      arguments: Gin files and bindings of the cell.
      task: The task.
      values: Macros of these prompts, which override those of the cell.
      base: Checkpoint or MODEL_DIR of the frozen model.

    Raises:
      UserError: A setting cannot work.
    """
    values = {
      'MIXTURE_OR_TASK_NAME': task,
      'EVAL_MIXTURE': task,
      'INITIAL_CHECKPOINT_PATH': base,
      **values,
    }
    arguments = dataclasses.replace(
      arguments,
      gin_files=(*arguments.gin_files, _GIN_FILE),
      bindings=(
        *arguments.bindings,
        *(f'{name} = {value!r}' for name, value in values.items()),
      ),
    )
    gin.clear_config()
    config_lib.parse(arguments, 'study_prompt')
    self._settings, self._arguments = study_prompt(), arguments
    self._checked = CheckedPromptSettings.check_prompt(
      self._settings, arguments
    )

  def decides(self) -> Decides:
    """Returns all that decides the prompt and its evaluation."""
    training, store = self._settings.training, self._checked.workspace.store
    loop, plan = training.loop, self._checked.trained
    base = Checkpointer.find(self._checked.initial_checkpoint)[0]
    return Decides(
      {
        **decided(training),
        'prompt': dataclasses.asdict(self._settings.prompt),
        'eval_config': asked(training.evaluation.eval_config),
        # They decide which step is kept.
        'chosen': [loop.eval_period, loop.checkpoint_period, loop.keep_best],
        'mixture': members_of(plan),
        'vocabulary': store.vocabulary.digest,
        'params': Checkpointer.digests(base)['params'],
      },
      data_of(split_keys([plan]), store),
    )

  def find(self, archive: Archive) -> Finished | None:
    """Returns the finished prompt, None if it is not finished."""
    return archive.find(PROMPTS, self.decides())

  def run(self, archive: Archive) -> None:
    """Trains the prompt and evaluates it; continues what was interrupted."""
    decides = self.decides()
    folder = archive.path(PROMPTS, decides.digest)
    settings = dataclasses.replace(
      self._checked.settings, model_dir=str(folder)
    )
    checked = dataclasses.replace(self._checked, settings=settings)
    with PromptRun.prepare(checked) as run:
      run.resume_or_start()
      run.train()
      run.evaluate()
    path = Checkpointer.best(folder)
    facts = {
      'step': Checkpointer.find(path)[1],
      'params': decides.settings['params'],
      'mixture': settings.mixture,
    }
    archive.finish(PROMPTS, decides, facts)
