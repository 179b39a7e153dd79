"""What clients may ask for: checks the fields of requests."""

from collections.abc import Mapping, Sequence
import dataclasses
import math
import random
from typing import Any, NoReturn

from flan_jax.evaluation.generation.sampling import (
  LEAST_TEMPERATURE,
  Sampling,
)
from flan_jax.evaluation.generation.slot_programs import ALTERNATIVES
from flan_jax.runtime.json_text import shown
from flan_jax.serving.api_error import ApiError

# Those of OpenAI's interface.
_MOST_STOPS = 4
_DEFAULT_TOKENS = 16
_MOST_TEMPERATURE = 2
# A text that ends an answer is looked for after every few tokens.
_LONGEST_STOP = 200
_MOST_PROMPTS = 256
_MOST_OPTIONS = 64
_MOST_LETTERS = 100
# Parameters of OpenAI's interface with the values that change nothing.
_NEUTRAL = {
  'n': (1,),
  'best_of': (1,),
  'presence_penalty': (0,),
  'frequency_penalty': (0,),
  'logit_bias': ({},),
  'suffix': ('',),
}

# A text, or the ids of its tokens.
Prompt = str | tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class CompletionRequest:
  """A request of OpenAI's `/v1/completions`.

  Attributes:
    model: Name of a checkpoint; None for the first.
    prompts: What is continued.
    max_tokens: Most tokens of an answer, end token included.
    sampling: How tokens are drawn.
    stop: Texts that end an answer.
    logprobs: Number of alternatives that are reported with each token; None
      reports nothing.
    echo: Whether the prompt is part of the answer.
    stream: Whether the answer is sent as it is made.
    stream_usage: Whether the number of tokens is sent after a stream.
  """

  model: str | None
  prompts: tuple[Prompt, ...]
  max_tokens: int = _DEFAULT_TOKENS
  sampling: Sampling = dataclasses.field(default_factory=Sampling)
  stop: tuple[str, ...] = ()
  logprobs: int | None = None
  echo: bool = False
  stream: bool = False
  stream_usage: bool = False

  @classmethod
  def read(cls, body: Mapping[str, Any]) -> 'CompletionRequest':
    """Checks the fields of a request; raises ApiError if one is wrong."""
    fields = _Fields(body)
    request = cls(
      model=fields.model(),
      prompts=fields.prompts(),
      max_tokens=fields.integer('max_tokens', _DEFAULT_TOKENS, least=0),
      sampling=Sampling(
        temperature=fields.temperature(),
        top_p=fields.top_p(),
        seed=fields.seed(),
      ),
      stop=fields.stop(),
      logprobs=fields.integer('logprobs', None, 0, ALTERNATIVES),
      echo=fields.boolean('echo'),
      stream=fields.boolean('stream'),
      stream_usage=fields.stream_usage(),
    )
    fields.neutral()
    fields.no_others()
    if request.stream_usage and not request.stream:
      raise ApiError('stream_options needs stream', 'stream_options')
    if request.stream and request.echo:
      raise ApiError('an echo cannot be streamed', 'echo')
    if not request.max_tokens and not request.echo:
      raise ApiError('max_tokens of 0 needs echo', 'max_tokens')
    return request


@dataclasses.dataclass(frozen=True)
class RankRequest:
  """Options to rank after a prompt.

  Attributes:
    model: Name of a checkpoint; None for the first.
    prompt: The instruction.
    options: The possible answers.
  """

  model: str | None
  prompt: str
  options: tuple[str, ...]

  @classmethod
  def read(cls, body: Mapping[str, Any]) -> 'RankRequest':
    """Checks the fields of a request; raises ApiError if one is wrong."""
    fields = _Fields(body)
    request = cls(
      model=fields.model(),
      prompt=fields.text('prompt'),
      options=fields.texts('options', _MOST_OPTIONS),
    )
    fields.no_others()
    if len(set(request.options)) < len(request.options):
      raise ApiError('options must differ', 'options')
    return request


@dataclasses.dataclass(frozen=True)
class TokenizeRequest:
  """A text whose tokens are asked for.

  Attributes:
    prompt: The text.
    framed: Whether it is framed as the prompt of an answer. If it is not, names
      of special tokens stand for these tokens.
  """

  prompt: str
  framed: bool

  @classmethod
  def read(cls, body: Mapping[str, Any]) -> 'TokenizeRequest':
    """Checks the fields of a request; raises ApiError if one is wrong."""
    fields = _Fields(body)
    fields.model()
    framed = fields.boolean('add_special_tokens', True)
    request = cls(fields.text('prompt', empty=True), framed)
    fields.no_others()
    return request


def read_detokenize(body: Mapping[str, Any]) -> tuple[int, ...]:
  """Returns the ids of a request; raises ApiError if a field is wrong."""
  fields = _Fields(body)
  fields.model()
  tokens = fields.ids('tokens')
  fields.no_others()
  return tokens


class _Fields:
  """The fields of a request; each method checks one and takes it out."""

  def __init__(self, body: Mapping[str, Any]):
    self._left = dict(body)

  def _take(self, name: str, default: Any = None) -> Any:
    """Returns a field; null stands for its default."""
    value = self._left.pop(name, None)
    return default if value is None else value

  def model(self) -> str | None:
    model = self._take('model')
    # Clients name their user for OpenAI's statistics.
    for name, value in (('model', model), ('user', self._take('user'))):
      if value is not None and not isinstance(value, str):
        _wrong(name, value, 'a string')
    return model

  def prompts(self) -> tuple[Prompt, ...]:
    value = self._take('prompt')
    if isinstance(value, list) and value:
      if all(_is_integer(item) for item in value):
        return (_ids('prompt', value),)
      if len(value) > _MOST_PROMPTS:
        raise ApiError(f'prompt: at most {_MOST_PROMPTS} of them', 'prompt')
      return tuple(_prompt(item) for item in value)
    if not isinstance(value, str):
      _wrong('prompt', value, 'a string, a list of strings, or ids of tokens')
    return (_prompt(value),)

  def text(self, name: str, empty: bool = False) -> str:
    return _text(name, self._take(name), empty)

  def texts(self, name: str, most: int) -> tuple[str, ...]:
    value = self._take(name)
    if not isinstance(value, list) or not value:
      _wrong(name, value, 'a list of strings that is not empty')
    if len(value) > most:
      raise ApiError(f'{name}: at most {most} of them', name)
    return tuple(_text(name, text) for text in value)

  def ids(self, name: str) -> tuple[int, ...]:
    value = self._take(name)
    if not isinstance(value, list):
      _wrong(name, value, 'a list of ids of tokens')
    return _ids(name, value)

  def stop(self) -> tuple[str, ...]:
    value = self._take('stop', [])
    value = [value] if isinstance(value, str) else value
    if not isinstance(value, list):
      _wrong('stop', value, 'a string or a list of strings')
    if len(value) > _MOST_STOPS:
      raise ApiError(f'stop: at most {_MOST_STOPS} texts', 'stop')
    texts = tuple(_text('stop', text) for text in value)
    if any(len(text) > _LONGEST_STOP for text in texts):
      raise ApiError(f'stop: at most {_LONGEST_STOP} characters', 'stop')
    return texts

  def integer(
    self, name: str, default: int | None, least: int, most: int = 2**31 - 1
  ) -> int | None:
    value = self._take(name, default)
    if value is not None and not (
      _is_integer(value) and least <= value <= most
    ):
      _wrong(name, value, f'an integer from {least} to {most}')
    return value

  def seed(self) -> int:
    """Returns the seed; without one, another answer is drawn every time."""
    return self.integer('seed', random.getrandbits(31), -(2**63), 2**63 - 1)

  def number(
    self, name: str, default: float, least: float, most: float
  ) -> float:
    value = self._take(name, default)
    if not _is_number(value) or not least <= value <= most:
      _wrong(name, value, f'a number from {least} to {most}')
    return float(value)

  def temperature(self) -> float:
    value = self.number('temperature', 1, 0, _MOST_TEMPERATURE)
    if 0 < value < LEAST_TEMPERATURE:
      _wrong('temperature', value, f'0 or at least {LEAST_TEMPERATURE}')
    return value

  def top_p(self) -> float:
    value = self.number('top_p', 1, 0, 1)
    if not value:
      _wrong('top_p', value, 'above 0')
    return value

  def boolean(self, name: str, default: bool = False) -> bool:
    value = self._take(name, default)
    if not isinstance(value, bool):
      _wrong(name, value, 'true or false')
    return value

  def stream_usage(self) -> bool:
    value = self._take('stream_options', {})
    if not isinstance(value, dict) or not value.keys() <= {'include_usage'}:
      _wrong('stream_options', value, 'an object with include_usage')
    return _Fields(value).boolean('include_usage')

  def neutral(self) -> None:
    """Takes out parameters that the server knows at one value only."""
    for name, known in _NEUTRAL.items():
      value = self._take(name, known[0])
      if isinstance(value, bool) or value not in known:
        _wrong(name, value, f'{shown(known[0])}; other values do not exist')

  def no_others(self) -> None:
    for name in self._left:
      raise ApiError(
        f'there is no parameter {shown(name)}', name[:_MOST_LETTERS]
      )


def _wrong(name: str, value: Any, wanted: str) -> NoReturn:
  raise ApiError(f'{name} must be {wanted}, not {shown(value)}', name)


def _is_integer(value: Any) -> bool:
  return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
  # Comparing avoids the conversion of an integer that no float can hold.
  return (_is_integer(value) and abs(value) < 2**63) or (
    isinstance(value, float) and math.isfinite(value)
  )


def _prompt(value: Any) -> Prompt:
  if isinstance(value, list):
    return _ids('prompt', value)
  return _text('prompt', value)


def _text(name: str, value: Any, empty: bool = False) -> str:
  if not isinstance(value, str):
    _wrong(name, value, 'a string')
  if not value and not empty:
    raise ApiError(f'{name} is empty', name)
  if '\0' in value:
    raise ApiError(f'{name} contains a null character', name)
  try:
    value.encode()
  except UnicodeEncodeError as error:
    raise ApiError(f'{name} contains an unpaired surrogate', name) from error
  return value


def _ids(name: str, value: Sequence[Any]) -> tuple[int, ...]:
  if not value:
    raise ApiError(f'{name} is empty', name)
  for token in value:
    if not _is_integer(token) or not 0 <= token < 2**31:
      _wrong(name, token, 'a list of ids of tokens')
  return tuple(value)
