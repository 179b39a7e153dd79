"""The errors that a client of the server sees."""

from collections.abc import Mapping
from typing import Any

# Seconds after which a client may ask a busy server again.
RETRY_AFTER = 2


class ApiError(Exception):
  """A request that is not answered; has the form of OpenAI's errors.

  Attributes:
    status: HTTP status.
    param: The field of the request that is wrong, if it is one.
    code: A word for programs.
    headers: Headers of the response.
  """

  def __init__(
    self,
    message: str,
    param: str | None = None,
    code: str | None = None,
    status: int = 400,
    headers: Mapping[str, str] | None = None,
  ):
    super().__init__(message)
    self.status = status
    self.param = param
    self.code = code
    self.headers = dict(headers or {})

  def body(self) -> dict[str, Any]:
    """Returns the body of the response."""
    kind = 'invalid_request_error' if self.status < 500 else 'server_error'
    if self.status == 429:
      kind = 'rate_limit_error'
    return {
      'error': {
        'message': str(self),
        'type': kind,
        'param': self.param,
        'code': self.code,
      }
    }


def busy(message: str, status: int = 429, code: str = 'queue_full') -> ApiError:
  """Returns the error of a request that may be sent again later."""
  headers = {'Retry-After': str(RETRY_AFTER)}
  return ApiError(message, code=code, status=status, headers=headers)
