"""`flan-jax prompt-tune`: trains a soft prompt, then evaluates it."""

import gin

from flan_jax.flags import Arguments
from flan_jax.runs.prompt_run import CheckedPromptSettings, PromptRun
from flan_jax.runs.prompt_settings import PromptTuneSettings
from flan_jax.runs.run_report import report_run
from flan_jax.terminal.screen import show


@gin.configurable(module='flan_jax')
def prompt_tune(
  settings: PromptTuneSettings,
  arguments: Arguments | None = None,
  profile: str | None = None,
  dry_run: bool = False,
) -> None:
  """Trains a soft prompt of a task on a frozen model, and evaluates it.

  Args:
    settings: The settings of the run.
    arguments: For the child that makes missing caches; None to make none.
    profile: First and last step to profile, such as '10:12'; None for none.
    dry_run: Whether to stop after the checks that need no computation.

  Raises:
    UserError: A setting cannot work; before anything is compiled.
  """
  checked = CheckedPromptSettings.check_prompt(settings, arguments, profile)
  if dry_run:
    PromptRun.check(checked)
    show([checked.summary()])
    return
  with PromptRun.prepare(checked) as run:
    run.resume_or_start()
    run.train()
    run.evaluate()
  if settings.training.report:
    report_run(settings.training.model_dir)
