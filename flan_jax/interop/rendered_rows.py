"""Examples of a mixture as text, for trainers that tokenize by themselves.

The text is read back from the token cache, so that another trainer sees what
ours does: the same renderings, shortened alike, with the same exemplars, in
the order that the sampler computes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
import dataclasses
import itertools
from typing import Any

import numpy as np

from flan_jax.batches.few_shot import FewShotSplit
from flan_jax.batches.sampler import Draws, Sampler
from flan_jax.cache.cached_split import CachedSplit
from flan_jax.cache.framing import INPUT, CacheConfig
from flan_jax.cache.row_lines import RowLines
from flan_jax.evaluation.predictions import references
from flan_jax.rendering.exemplars import AFTER_INPUT, AFTER_TARGET
from flan_jax.rendering.permutation import key_of, permute
from flan_jax.vocabulary.base import INCOMPLETE, Vocabulary, VocabularyError

# What a vocabulary must give back: line breaks, spaces, accents.
_PROBE = ' two  spaces,\n\n\ta "tab" . Déjà vu… 日本 '


@dataclasses.dataclass(frozen=True)
class Joints:
  """The text around inputs and targets, see `Framing` for their tokens.

  Attributes:
    before: Text before the first input.
    after: Text between an input and its target.
    between: Text after the target of an exemplar.
  """

  before: str = ''
  after: str = AFTER_INPUT
  between: str = AFTER_TARGET

  @classmethod
  def of(cls, config: CacheConfig) -> 'Joints':
    """Returns the text of a configuration; line breaks for end tokens.

    >>> Joints.of(CacheConfig('cache', prompt_format='Q: {input} A:'))
    Joints(before='Q: ', after=' A:', between='\\n\\n')
    """
    joints = cls()
    if config.prompt_format is not None:
      before, after = config.prompt_format.split(INPUT)
      joints = cls(before, after)
    if config.exemplar_separator is not None:
      joints = dataclasses.replace(joints, between=config.exemplar_separator)
    return joints


@dataclasses.dataclass(frozen=True)
class RenderedExample:
  """An example as text.

  Attributes:
    turns: (input, target) of each exemplar, then of the example itself.
    about: `dataset`, `part`, `split`, `template`, `row_id`, `shots` (exemplars
      shown) and `fits` (whether a trainer that cuts examples keeps a token of
      the target).
  """

  turns: Sequence[tuple[str, str]]
  about: Mapping[str, Any]


class RenderedRows:
  """The examples that a sampler draws, as text."""

  def __init__(self, sampler: Sampler, vocabulary: Vocabulary, max_length: int):
    """Finds the rows of every split.

    Args:
      sampler: Draws examples of cached splits.
      vocabulary: The vocabulary of their tokens.
      max_length: Tokens of an example that the trainer keeps.
    """
    self._sampler = sampler
    self._decode = vocabulary.decode
    self._rows = [RowLines(split) for split in sampler.splits]
    self._fits = [
      split.prompt_lengths(sampler.framing) < max_length
      for split in sampler.splits
    ]

  def __iter__(self) -> Iterator[RenderedExample]:
    """Yields examples without end, one mixture epoch after the other."""
    for draws in mixed_draws(self._sampler):
      pairs = zip(draws.split.tolist(), draws.rendering.tolist(), strict=True)
      for number, index in pairs:
        yield self._example(number, index)

  def _example(self, number: int, index: int) -> RenderedExample:
    split = self._sampler.splits[number]
    rendering = split.renderings[index]
    row = self._rows[number][int(rendering['row'])]
    turns = _exemplar_texts(split, index, self._decode)
    turns.append(
      (
        _text(split.span(int(rendering['first'])), self._decode),
        self._target(split, rendering, row),
      )
    )
    about = {
      'dataset': split.manifest['dataset'],
      'part': split.name,
      'split': split.manifest['split'],
      'template': int(rendering['template']),
      'row_id': row['id'],
      'shots': len(turns) - 1,
      'fits': bool(self._fits[number][index]),
    }
    return RenderedExample(turns, about)

  def _target(
    self, split: CachedSplit, rendering: np.void, row: Mapping[str, Any]
  ) -> str:
    if split.manifest['split'] == 'train':
      return _text(split.span(int(rendering['first']) + 1), self._decode)
    # Spans of evaluation are options.
    return references(split, row, int(rendering['template']))[0]


def _exemplar_texts(
  split: CachedSplit, index: int, decode: Callable[..., str]
) -> list[tuple[str, str]]:
  if not isinstance(split, FewShotSplit):
    return []
  pool = split.pool
  return [
    (_text(pool.span(first), decode), _text(pool.span(first + 1), decode))
    for first in pool.renderings['first'][split.exemplars(index)].tolist()
  ]


def _text(ids: np.ndarray, decode: Callable[..., str]) -> str:
  # A cut between the bytes of a character leaves half of it.
  return decode(ids.tolist()).rstrip(INCOMPLETE)


def mixed_draws(sampler: Sampler) -> Iterator[Draws]:
  """Yields the draws of one mixture epoch after the other, each shuffled.

  Training packs a window of several epochs at once. Its first epochs draw what
  this function yields first.
  """
  rates, epochs = np.array(sampler.rates), sampler.epochs_per_window
  starts = np.cumsum(rates * epochs) - rates * epochs
  for window in itertools.count():
    draws = sampler.draws(window)
    for epoch in range(epochs):
      first = starts + epoch * rates
      places = np.concatenate(
        [np.arange(a, a + n) for a, n in zip(first, rates, strict=True)]
      )
      key = key_of(sampler.seed, 'mixture epoch', window * epochs + epoch)
      order = permute(np.arange(len(places)), len(places), key)
      yield draws.take(places[order])


def check_lossless(vocabulary: Vocabulary) -> None:
  """Raises VocabularyError if decoding does not give the same text."""
  if vocabulary.decode(vocabulary.encode(_PROBE)) != _PROBE:
    raise VocabularyError(
      f'{vocabulary.path} does not keep line breaks, spaces or accents, so '
      "that texts cannot be read back from its tokens: use 'mini' or the "
      'tokenizer.json of another model'
    )


def prompt_and_completion(
  example: RenderedExample, joints: Joints
) -> dict[str, Any]:
  """Returns the columns of TRL's prompt-completion format."""
  *exemplars, (query, target) = example.turns
  shown = ''.join(
    f'{text}{joints.after}{answer}{joints.between}'
    for text, answer in exemplars
  )
  prompt = f'{joints.before}{shown}{query}{joints.after}'
  return {'prompt': prompt, 'completion': target}


def messages(example: RenderedExample, joints: Joints) -> dict[str, Any]:
  """Returns a conversation; each exemplar is a turn of user and assistant."""
  del joints  # The chat template of the trained model joins messages.
  found = []
  for text, answer in example.turns:
    found.append({'role': 'user', 'content': text})
    found.append({'role': 'assistant', 'content': answer})
  return {'messages': found}


def text(example: RenderedExample, joints: Joints) -> dict[str, Any]:
  """Returns prompt and target as one text."""
  return {'text': ''.join(prompt_and_completion(example, joints).values())}


FORMATS = {
  'prompt-completion': prompt_and_completion,
  'messages': messages,
  'text': text,
}
