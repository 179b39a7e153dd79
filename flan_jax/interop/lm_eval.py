"""A model of lm-evaluation-harness that runs checkpoints of this project.

Its tasks can then judge models that `transformers` cannot load, such as those
with a relative position bias. Needs the extra `lm-eval`.
"""

from collections.abc import Sequence
import functools
from typing import Any

import jax.numpy as jnp
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.api.registry import register_model
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
import numpy as np

from flan_jax.batches.packing import Example
from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.stopping import stop_at, text_before
from flan_jax.evaluation.scoring.rank import Scorer
from flan_jax.interop.loaded_model import load_model
from flan_jax.model import target_outputs

# What the harness's own models generate at most if a task does not say.
_MAX_NEW_TOKENS = 256
# Options of `generate_until` that are known.
_KNOWN = {
  *('until', 'max_gen_toks', 'do_sample', 'temperature', 'top_k', 'top_p'),
}


@register_model('flan_jax')
class FlanJaxLM(LM):
  """Answers the harness's requests with a checkpoint.

  A context is framed as a prompt of training is: the beginning token and
  PROMPT_FORMAT are put around it, a space before a continuation is dropped, and
  both are tokenized apart. Log-likelihoods leave the end token out, so they are
  those of the rule `acc` of this project's evaluations. With `framed=False`, a
  context and its continuation are one text, as for other models.
  """

  def __init__(
    self,
    checkpoint: str,
    vocabulary: str | None = None,
    framed: bool = True,
    max_length: int = 2048,
    tokens_per_batch: int = 8192,
    **unused: Any,
  ):
    """Reads a checkpoint onto all devices.

    Args:
      checkpoint: A checkpoint, or a model directory (its newest checkpoint).
      vocabulary: Path of its vocabulary; None for what its record says.
      framed: Whether contexts are prompts of training; see the class.
      max_length: Most tokens of a context with its continuation; the beginning
        of a longer context is left out.
      tokens_per_batch: Tokens that are worked on together, over all devices.
      **unused: `batch_size`, `max_batch_size` and `device`, which the harness
        always passes. Scores do not depend on them.

    Raises:
      UserError: the checkpoint or its vocabulary cannot be used.
    """
    super().__init__()
    unknown = set(unused) - {'batch_size', 'max_batch_size', 'device'}
    if unknown:
      raise ConfigError(f'flan_jax: unknown argument {sorted(unknown)[0]!r}')
    model = load_model(checkpoint, vocabulary)
    self._vocabulary, self._framing = model.vocabulary, model.framing
    self._framed, self._max_length = framed, max_length
    self._params = model.params
    self._scorer = Scorer(
      model.config, model.mesh, tokens_per_batch, _log_probs_and_hits
    )
    self._generator = functools.cache(
      lambda sampling: Generator(
        model.config,
        model.mesh,
        model.vocabulary.end_ids,
        tokens_per_batch,
        sampling,
        model.vocabulary.size,
      )
    )

  @property
  def tokenizer_name(self) -> str:
    """Tells cached requests of different vocabularies and framings apart."""
    return f'flan_jax-{self._vocabulary.digest}-{self._framed}'

  def loglikelihood(
    self, requests: Sequence[Instance], disable_tqdm: bool = False
  ) -> list[tuple[float, bool]]:
    """Returns (log-likelihood, whether greedy) of (context, continuation)s.

    Continuations of one context are branches of one prompt, which is read once.
    """
    del disable_tqdm
    return self._score([self._pair(*request.args) for request in requests])

  def loglikelihood_rolling(
    self, requests: Sequence[Instance], disable_tqdm: bool = False
  ) -> list[float]:
    """Returns the log-likelihood of each text, in windows of `max_length`.

    Texts are not framed, whatever `framed` is. As in the harness's own model, a
    beginning token is also predicted, after another one.
    """
    del disable_tqdm
    counts, windows = [], []
    for request in requests:
      found = get_rolling_token_windows(
        self._text(request.args[0]),
        self._first,
        self._max_length,
        context_len=1,
      )
      pairs = [make_disjoint_window(pair) for pair in found]
      counts.append(len(pairs))
      windows += pairs
    scores = iter(self._score(windows))
    return [sum(next(scores)[0] for _ in range(count)) for count in counts]

  def generate_until(
    self, requests: Sequence[Instance], disable_tqdm: bool = False
  ) -> list[str]:
    """Returns what follows each context, up to one of the texts in `until`.

    Raises:
      ConfigError: an option is not known.
    """
    del disable_tqdm
    answers: list[str] = [''] * len(requests)
    groups: dict[tuple, list[int]] = {}
    for index, request in enumerate(requests):
      groups.setdefault(_ending(request.args[1]), []).append(index)
    decode = self._vocabulary.decode
    for (until, limit, sampling), members in groups.items():
      room = self._max_length - limit
      prompts = [self._context(requests[i].args[0])[-room:] for i in members]
      found = self._generator(sampling).answers(
        self._params, prompts, [limit] * len(members), stop_at(decode, until)
      )
      for place, tokens in found:
        answers[members[place]] = text_before(decode(tokens), until)
    return answers

  @property
  def _first(self) -> int:
    """The token before a text that has nothing before it."""
    bos = self._vocabulary.bos_id
    return self._vocabulary.eos_id if bos is None else bos

  def _text(self, text: str) -> list[int]:
    bos = self._vocabulary.bos_id
    return [*([] if bos is None else [bos]), *self._vocabulary.encode(text)]

  def _context(self, text: str) -> list[int]:
    if self._framed:
      return self._framing.prompt(self._vocabulary.encode(text))
    return self._text(text)

  def _pair(self, context: str, continuation: str) -> tuple[list[int], ...]:
    """Returns the tokens of a context and of its continuation."""
    if self._framed:
      words = self._vocabulary.encode(continuation.removeprefix(' '))
      return self._context(context), words
    # Spaces belong to the words that follow them.
    text = context.rstrip()
    continuation = context[len(text) :] + continuation
    if not text:
      return [self._first], self._vocabulary.encode(continuation)
    before = self._text(text)
    return before, self._text(text + continuation)[len(before) :]

  def _score(
    self, pairs: Sequence[tuple[list[int], ...]]
  ) -> list[tuple[float, bool]]:
    """Returns (log-likelihood, whether greedy) of (context, continuation)s."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for index, (context, words) in enumerate(pairs):
      if not words:
        continue
      # The last token of a continuation is predicted, not read.
      room = max(self._max_length - len(words) + 1, 1)
      groups.setdefault(tuple(context[-room:]), []).append(index)
    examples = [
      Example(context, tuple(pairs[index][1] for index in members))
      for context, members in groups.items()
    ]
    owners = list(groups.values())
    scores: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
    for number, found in self._scorer.scored(self._params, examples):
      for index, values in zip(owners[number], found, strict=True):
        log_probs, hits = np.asarray(values, np.float64).T
        scores[index] = float(log_probs.sum()), bool(hits.all())
    return scores


def _log_probs_and_hits(config, params, batch):
  """Returns log-probability and whether nothing is likelier, [B, T, 2]."""
  outputs = target_outputs(config, params, batch)
  hits = outputs.correct.astype(outputs.log_probs.dtype)
  return jnp.stack([outputs.log_probs, hits], axis=-1)


def _ending(options: dict[str, Any]) -> tuple[tuple[str, ...], int, Sampling]:
  """Returns the texts that end an answer, its most tokens, and the sampling."""
  unknown = set(options) - _KNOWN
  if unknown:
    raise ConfigError(
      f'generate_until: unknown option {sorted(unknown)[0]!r}; known are '
      f'{", ".join(sorted(_KNOWN))}'
    )
  until = options.get('until') or ()
  until = (until,) if isinstance(until, str) else tuple(until)
  sampling = Sampling()
  if options.get('do_sample'):
    sampling = Sampling(
      options.get('temperature', 1.0),
      options.get('top_k', 0),
      options.get('top_p', 1.0),
    )
  return until, options.get('max_gen_toks', _MAX_NEW_TOKENS), sampling
