"""A small vocabulary type that needs neither TensorFlow nor SeqIO."""

import abc
from collections.abc import Mapping, Sequence
import itertools
import pathlib
import re
from typing import Any

from flan_jax.errors import UserError

PAD_ID = 0
# What the bytes of an incomplete character are decoded as.
INCOMPLETE = '\N{REPLACEMENT CHARACTER}'

# The files that mark a folder as holding a vocabulary.
TOKENIZER_JSON, SENTENCEPIECE_MODEL = 'tokenizer.json', 'tokenizer.model'


class VocabularyError(UserError):
  """A vocabulary that cannot be read or used; names its file."""


class Vocabulary(abc.ABC):
  """The parts of a tokenizer that training and evaluation need.

  Attributes:
    path: The file it was read from.
    origin: The setting that named it, if `path` is a copy from a bucket.
    size: One more than the largest id.
    eos_id: Id that ends a target (and, by default, an input).
    bos_id: Id that starts a sequence, or None.
    special: Name -> id of the tokens that no text encodes to.
    digest: Hash of everything that decides the ids, for manifests.
  """

  path: str
  origin: str | None = None
  size: int
  eos_id: int
  bos_id: int | None
  special: Mapping[str, int]
  digest: str

  @property
  def end_ids(self) -> tuple[int, ...]:
    """Ids that end a generated text; the first is `eos_id`."""
    return (self.eos_id,)

  @abc.abstractmethod
  def encode(self, text: str) -> list[int]:
    """Returns the ids of a text. Names of special tokens are plain text."""

  @abc.abstractmethod
  def decode(self, ids: Sequence[int]) -> str:
    """Returns the text of ids.

    Special tokens are dropped, and so are ids beyond the vocabulary, which a
    padded embedding can yield.
    """

  def decode_markup(self, ids: Sequence[int]) -> str:
    """Returns the text of ids, special tokens by name."""
    names = {number: name for name, number in self.special.items()}
    texts = []
    for name, run in itertools.groupby(ids, names.get):
      run = list(run)
      texts.append(name * len(run) if name else self.decode(run))
    return ''.join(texts)

  def pieces(self, ids: Sequence[int]) -> list[str]:
    """Returns what each id adds to the text, special tokens by name.

    An id that ends in the middle of a character adds nothing; the one that
    completes the character adds all of it. A character that is never completed
    is replaced, as `decode` does. Takes long for many ids.
    """
    names = {number: name for name, number in self.special.items()}
    found: list[str] = []
    run, shown = [], ''
    for number in [*ids, None]:
      if number is None or number in names:
        if run:
          found[-1] += self.decode(run)[len(shown) :]
        if number is not None:
          found.append(names[number])
        run, shown = [], ''
        continue
      run.append(number)
      text = self.decode(run)
      whole = not text.endswith(INCOMPLETE)
      found.append(text[len(shown) :] if whole else '')
      shown = text if whole else shown
    return found

  def record(self) -> dict[str, Any]:
    """Returns what checkpoints record to find and check the vocabulary."""
    path = self.origin or str(pathlib.Path(self.path).absolute())
    return {'path': path, 'digest': self.digest, 'size': self.size}

  def encode_markup(self, text: str) -> list[int]:
    """Returns the ids of a text in which special tokens keep their meaning."""
    if not self.special:
      return self.encode(text)
    # The longest name first, because one may begin with another.
    names = sorted(self.special, key=len, reverse=True)
    ids: list[int] = []
    for part in re.split(f'({"|".join(map(re.escape, names))})', text):
      if part in self.special:
        ids.append(self.special[part])
      elif part:
        ids += self.encode(part)
    return ids
