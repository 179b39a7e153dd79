"""The models that are served: turns requests into jobs."""

from collections.abc import Callable, Mapping, Sequence
import dataclasses
from typing import Any

import jax

from flan_jax.batches.packing import Example
from flan_jax.cache.framing import Framing
from flan_jax.evaluation.generation.slot_batch import Continuation
from flan_jax.evaluation.generation.slot_programs import SlotPrograms
from flan_jax.evaluation.generation.stopping import stop_at
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.model import DecoderConfig
from flan_jax.runtime.json_text import shown
from flan_jax.serving.api_error import ApiError
from flan_jax.serving.generation_lane import GenerationLane
from flan_jax.serving.jobs import Generation, Job, Result, Scoring
from flan_jax.serving.scheduler import Lane
from flan_jax.serving.schema import CompletionRequest, RankRequest
from flan_jax.serving.scoring_lane import ScoringLane, ScoringPrograms
from flan_jax.vocabulary.base import Vocabulary

# Receives the results of one job.
Deliver = Callable[[Result], None]


@dataclasses.dataclass(frozen=True)
class Served:
  """Checkpoints of one shape.

  Attributes:
    config: Shape of the decoder.
    mesh: Devices.
    vocabulary: Makes tokens.
    framing: The tokens around a prompt.
    context: Most tokens of a prompt with its answer.
    checkpoints: Name -> parameters; the first is the default.
    tokens_per_batch: Tokens that are worked on together, over all devices.
    scoring_dtype: Type of the computation of log-likelihoods.
  """

  config: DecoderConfig
  mesh: jax.sharding.Mesh
  vocabulary: Vocabulary
  framing: Framing
  context: int
  checkpoints: Mapping[str, Any]
  tokens_per_batch: int = 8192
  scoring_dtype: str = 'float32'


class Engine:
  """Makes the jobs of requests, and the lanes that work on them."""

  def __init__(self, served: Served):
    """Initializes the programs; each compiles on first use."""
    self.served = served
    size, ends = served.vocabulary.size, served.vocabulary.end_ids
    about = served.config, served.mesh
    self._slots = SlotPrograms(*about, ends, size)
    self._scoring = ScoringPrograms(
      *about, served.tokens_per_batch, size, served.scoring_dtype
    )
    self._lanes: dict[tuple[int, int], Lane] = {}

  def lane_of(self, job: Job) -> Lane:
    """Returns where a job is worked on."""
    width = row_length(job.length) if isinstance(job, Generation) else 0
    key = id(job.params), width
    if key not in self._lanes:
      self._lanes[key] = (
        GenerationLane(
          self._slots, job.params, width, self.served.tokens_per_batch
        )
        if width
        else ScoringLane(self._scoring, job.params)
      )
    return self._lanes[key]

  def find(self, model: str | None) -> tuple[str, Any]:
    """Returns the name and the parameters of a checkpoint.

    Raises:
      ApiError: There is none of this name.
    """
    known = self.served.checkpoints
    if model is None:
      return next(iter(known.items()))
    if model not in known:
      raise ApiError(
        f'there is no model {shown(model)}; GET /v1/models lists them',
        'model',
        'model_not_found',
        404,
      )
    return model, known[model]

  def prompts(self, request: CompletionRequest) -> list[list[int]]:
    """Returns the tokens of each prompt.

    A text is framed as the prompts of an evaluation are. With `echo`, it is
    taken as it is: it may hold the answer already. So are tokens.

    Raises:
      ApiError: A prompt is empty or too long, or holds an unknown token.
    """
    served, found = self.served, []
    for prompt in request.prompts:
      if not isinstance(prompt, str):
        self._check_ids(prompt, 'prompt')
        tokens = list(prompt)
      elif request.echo:
        tokens = [*self._start, *served.vocabulary.encode_markup(prompt)]
      else:
        tokens = served.framing.prompt(served.vocabulary.encode(prompt))
      self._check_length(len(tokens), request.max_tokens, 'max_tokens')
      found.append(tokens)
    return found

  @property
  def _start(self) -> list[int]:
    bos = self.served.vocabulary.bos_id
    return [] if bos is None else [bos]

  def _check_ids(self, tokens: Sequence[int], param: str) -> None:
    size = self.served.vocabulary.size
    for token in tokens:
      if token >= size:
        raise ApiError(
          f'{token} is not a token: the vocabulary has {size}', param
        )

  def _check_length(self, prompt: int, answer: int, of: str) -> None:
    most = self.served.context
    if not prompt:
      raise ApiError('the prompt has no tokens', 'prompt')
    if prompt + answer > most:
      raise ApiError(
        f'the prompt has {prompt} tokens and {of} {answer}: together they must '
        f'not exceed {most}',
        'prompt' if prompt >= most else of,
        'context_length_exceeded',
      )

  def generation(
    self,
    request: CompletionRequest,
    params: Any,
    prompt: Sequence[int],
    number: int,
    deliver: Deliver,
  ) -> Generation:
    """Returns the job that continues a prompt, the `number`th of a request."""
    slot = Continuation(
      prompt,
      request.max_tokens,
      number,
      request.sampling,
      stop_at(self.served.vocabulary.decode, request.stop),
      asked=request.logprobs is not None,
    )
    return Generation(params, deliver, slot, request.stream)

  def echo(
    self, params: Any, tokens: Sequence[int], deliver: Deliver
  ) -> Scoring:
    """Returns the job that scores the tokens of a text.

    Its target is the text after its first token, and one token more, whose
    alternatives are what would come next.
    """
    after = [*tokens[1:], self.served.vocabulary.eos_id]
    return Scoring(params, deliver, Example(tokens[:1], (after,)), asked=True)

  def options(self, request: RankRequest) -> list[Example]:
    """Returns the examples that score options, in their order.

    They are several if prompt and options do not fit into a row.

    Raises:
      ApiError: The prompt or an option is too long.
    """
    served = self.served
    encode = served.vocabulary.encode
    prompt = served.framing.prompt(encode(request.prompt))
    targets = [
      served.framing.target(encode(option), cut=False)
      for option in request.options
    ]
    self._check_length(len(prompt), max(map(len, targets)), 'options')
    examples, part = [], []
    for target in targets:
      if part and Example(prompt, (*part, target)).length > served.context:
        examples.append(Example(prompt, tuple(part)))
        part = []
      part.append(target)
    examples.append(Example(prompt, tuple(part)))
    return examples

  def tokenize(self, text: str, framed: bool) -> list[int]:
    """Returns the tokens of a text, see `TokenizeRequest`."""
    served = self.served
    if framed:
      return served.framing.prompt(served.vocabulary.encode(text))
    return served.vocabulary.encode_markup(text)

  def detokenize(self, tokens: Sequence[int]) -> str:
    """Returns the text of tokens, special ones by their names.

    Raises:
      ApiError: A token does not exist.
    """
    self._check_ids(tokens, 'tokens')
    vocabulary = self.served.vocabulary
    names = {number: name for name, number in vocabulary.special.items()}
    texts, plain = [], []
    for token in tokens:
      if token in names:
        texts += [vocabulary.decode(plain), names[token]]
        plain = []
      else:
        plain.append(token)
    return ''.join([*texts, vocabulary.decode(plain)])
