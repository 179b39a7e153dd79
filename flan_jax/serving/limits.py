"""Bounds on what one client can ask for."""

import dataclasses

from flan_jax.errors import ConfigError


@dataclasses.dataclass(frozen=True)
class Limits:
  """Bounds on what one client can ask for.

  Attributes:
    body_bytes: Most bytes of a request.
    requests: Most requests that are being received or answered.
    waiting: Most sequences that wait for a slot or a batch, of all clients.
    seconds: Most seconds until a request is answered.
    body_seconds: Most seconds until a request has been received.
  """

  body_bytes: int = 1 << 20
  requests: int = 512
  waiting: int = 512
  seconds: float = 120.0
  body_seconds: float = 20.0

  def __post_init__(self):
    for name, value in vars(self).items():
      if value <= 0:
        raise ConfigError(f'Limits.{name} must be positive, not {value!r}')
