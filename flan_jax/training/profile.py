"""JAX profiles of some steps, for XProf or TensorBoard's profile plugin."""

import dataclasses
import os
import re

import jax

from flan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class ProfileWindow:
  """The first and the last step to profile; a run starts at step 1."""

  first: int
  last: int

  @classmethod
  def parse(cls, text: str) -> 'ProfileWindow':
    """Parses `FIRST:LAST`.

    >>> ProfileWindow.parse('10:12')
    ProfileWindow(first=10, last=12)

    Raises:
      ConfigError: The text is not of this form, or holds no step.
    """
    numbers = re.fullmatch(r'(\d{1,9}):(\d{1,9})', text)
    window = cls(*map(int, numbers.groups())) if numbers else cls(0, 0)
    if not 1 <= window.first <= window.last:
      raise ConfigError(
        f'--profile={text[:80]} must be FIRST:LAST, the first and the last '
        'step to profile, counted from 1'
      )
    return window

  def check(self, taken: int, train_steps: int) -> None:
    """Checks that a run takes all steps of the window.

    Args:
      taken: Number of steps done before the run starts or resumes.
      train_steps: Number of steps of the whole run.

    Raises:
      ConfigError: It does not.
    """
    if self.first <= taken or self.last > train_steps:
      raise ConfigError(
        f'--profile={self.first}:{self.last} is not within the steps that this '
        f'run takes, {taken + 1} to {train_steps}'
      )


class Profiler:
  """Records the steps of a window, if there is one, in a folder."""

  def __init__(self, window: ProfileWindow | None, folder: str | os.PathLike):
    self._window = window
    self._folder = os.fspath(folder)
    self._running = False

  def starts_at(self, step: int) -> bool:
    """Returns whether the profile starts with a step."""
    return self._window is not None and step == self._window.first

  def stops_at(self, step: int) -> bool:
    """Returns whether a step is the last of the profile."""
    return self._window is not None and step == self._window.last

  def start(self) -> None:
    """Starts recording."""
    jax.profiler.start_trace(self._folder)
    self._running = True

  def stop(self) -> None:
    """Writes the profile that is being recorded, if any."""
    if self._running:
      self._running = False
      jax.profiler.stop_trace()
