"""Bounds on what one client can ask for."""

import dataclasses

from flan_jax.setting_types import Count, Positive, check_fields


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

  body_bytes: Count = 1 << 20
  requests: Count = 512
  waiting: Count = 512
  seconds: Positive = 120.0
  body_seconds: Positive = 20.0

  def __post_init__(self):
    check_fields(self)
