"""`flan-jax train`: instruction-tunes a decoder, then evaluates it."""

import gin

from flan_jax.flags import Arguments
from flan_jax.runs.adapter_run import run_class
from flan_jax.runs.checked_settings import CheckedSettings
from flan_jax.runs.run_report import report_run
from flan_jax.runs.train_settings import TrainSettings
from flan_jax.runtime import processes
from flan_jax.terminal.screen import show


@gin.configurable(module='flan_jax')
def train(
  settings: TrainSettings,
  arguments: Arguments | None = None,
  profile: str | None = None,
  dry_run: bool = False,
) -> None:
  """Trains on a mixture and, at the end, evaluates another.

  Args:
    settings: The settings of the run.
    arguments: For the child that makes missing caches; None to make none.
    profile: First and last step to profile, such as '10:12'; None for none.
    dry_run: Whether to stop after the checks that need no computation.

  Raises:
    UserError: A setting cannot work; before anything is compiled.
  """
  checked = CheckedSettings.check(settings, arguments, profile)
  if dry_run:
    run_class(checked).check(checked)
    show([checked.summary()])
    return
  if headline := checked.headline():
    processes.log(headline)
  with run_class(checked).prepare(checked) as run:
    run.resume_or_start()
    run.train()
    run.evaluate()
  if settings.report:
    report_run(settings.model_dir)
