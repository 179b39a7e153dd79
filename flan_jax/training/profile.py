"""A JAX profile of some steps, for XProf or TensorBoard's profile plugin."""

import dataclasses
import os
import re

import jax


@dataclasses.dataclass(frozen=True)
class ProfileWindow:
  """Steps to profile; step 1 is the first of a run.

  Attributes:
    first: First step of the profile.
    last: Last one.
  """

  first: int
  last: int

  @classmethod
  def parse(cls, text: str) -> 'ProfileWindow':
    """Reads `FIRST:LAST`.

    >>> ProfileWindow.parse('10:12')
    ProfileWindow(first=10, last=12)

    Raises:
      ValueError: The text is no window.
    """
    numbers = re.fullmatch(r'(\d+):(\d+)', text)
    if numbers is None:
      raise ValueError(
        f'--profile={text} is not FIRST:LAST, the first and the last step to '
        'profile'
      )
    window = cls(*map(int, numbers.groups()))
    if window.first < 1 or window.first > window.last:
      raise ValueError(
        f'--profile={text} holds no step: steps count from 1, and FIRST is not '
        'after LAST'
      )
    return window

  def check(self, taken: int, train_steps: int) -> None:
    """Checks that a run takes all steps of the window.

    Args:
      taken: Steps that were taken before the run starts or resumes.
      train_steps: Steps of the whole run.

    Raises:
      ValueError: It does not.
    """
    if self.first <= taken or self.last > train_steps:
      raise ValueError(
        f'--profile={self.first}:{self.last} is not within the steps that this '
        f'run takes, {taken + 1} to {train_steps}'
      )


class Profiler:
  """Records the steps of a window; nothing without one."""

  def __init__(self, window: ProfileWindow | None, folder: str | os.PathLike):
    """Initializes the profiler.

    Args:
      window: Steps to profile.
      folder: Where the profile goes.
    """
    self._window = window
    self._folder = os.path.expanduser(folder)
    self._running = False

  def starts_at(self, step: int) -> bool:
    """Whether the profile starts with a step."""
    return self._window is not None and step == self._window.first

  def stops_at(self, step: int) -> bool:
    """Whether a step is the profile's last."""
    return self._window is not None and step == self._window.last

  def start(self) -> None:
    """Starts recording."""
    jax.profiler.start_trace(self._folder)
    self._running = True

  def stop(self) -> None:
    """Writes the profile, if one is being recorded."""
    if self._running:
      self._running = False
      jax.profiler.stop_trace()
