"""What is launched, and what a launch consists of."""

from collections.abc import Mapping, Sequence
import dataclasses
import re

from flan_jax.errors import ConfigError
from flan_jax.planning.topology import Topology

# As Kubernetes limits the names of jobs, less what JobSet adds to them.
_NAME = re.compile(r'[a-z]([a-z0-9-]{0,38}[a-z0-9])?')
_CONTROL = re.compile(r'[\x00-\x08\x0b-\x1f\x7f]')


@dataclasses.dataclass(frozen=True)
class Job:
  """A command, and the machines that run it.

  Attributes:
    name: Name of the job and of what is made for it.
    command: The command of `flan-jax`, and its flags.
    topology: The hardware.
    setup: Shell commands that each machine runs first.
    spot: Whether the machines may be taken away at any time.
    restarts: How often the command is started again.
  """

  name: str
  command: tuple[str, ...]
  topology: Topology
  setup: str
  spot: bool = False
  restarts: int = 20

  def __post_init__(self):
    if not _NAME.fullmatch(self.name):
      raise ConfigError(
        f'--name={self.name!r} must have 1 to 40 lower-case letters, digits '
        'and hyphens, and begin with a letter'
      )
    for text in (*self.command, self.setup):
      if _CONTROL.search(text):
        raise ConfigError(
          f'{text!r} has a control character, which scripts do not keep: '
          'remove it'
        )


@dataclasses.dataclass(frozen=True)
class Launch:
  """What starts a job.

  Attributes:
    files: Name -> text, to be written to one folder.
    commands: Commands that are run in this folder, in order.
    afterwards: Commands for the user: what happens, and how to end it.
  """

  files: Mapping[str, str]
  commands: Sequence[Sequence[str]]
  afterwards: Mapping[str, Sequence[str]]
