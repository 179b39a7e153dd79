"""Compares the logits of a model with those of `transformers`, on the CPU."""

from collections.abc import Sequence
import dataclasses
import importlib.util
import pathlib
from typing import Any

import jax
import numpy as np

from flan_jax.interop.model_source import InteropError
from flan_jax.model import DecoderConfig, hidden_states, target_logits
from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import Vocabulary

# Rounding errors are smaller than this fraction of the largest logit.
TOLERANCE = 1e-4

PROMPTS = (
  'The capital of France is',
  'Translate to German: Where is the next pharmacy?',
  'Premise: Two dogs run over a meadow.\nHypothesis: No animal is outside.\n'
  'Does the premise entail the hypothesis?\nOptions:\n- yes\n- no',
  'In 1971 the town had 12,408 inhabitants; by 2011 there were 9,877 left. '
  'How many had moved away, and what share of the earlier number is that?',
  '"Nobody\'s here," she whispered — although, naïvely, everyone had hoped so.',
  'Once upon a time there was a fox who lived under an old pear tree. ' * 16,
)


_SEE = 'see add_{}_token in tokenizer_config.json'


@dataclasses.dataclass(frozen=True)
class Comparison:
  """The comparison of one prompt."""

  prompt: str
  tokens: int  # Length of the prompt.
  difference: float  # Largest absolute difference between two logits.
  largest: float  # Largest absolute logit of the reference.
  agreed: int  # Positions with the same most probable token.
  # Where the tokenizations differ and why, in words; None if they are equal.
  unlike: str | None = None

  @property
  def fits(self) -> bool:
    return self.unlike is None and self.difference <= TOLERANCE * self.largest


def check_installed() -> None:
  """Raises InteropError if a package that `load` needs is missing."""
  needed = ('torch', 'transformers', 'accelerate')
  missing = [n for n in needed if importlib.util.find_spec(n) is None]
  if missing:
    raise InteropError(
      f"not installed: {', '.join(missing)}: pip install 'flan_jax[reference]'"
    )


def read_prompts(path: str | None) -> tuple[str, ...]:
  """Returns the lines of a file; `PROMPTS` if the path is None."""
  if path is None:
    return PROMPTS
  try:
    text = user_path(path).read_text(encoding='utf-8')
  except (OSError, UnicodeDecodeError) as error:
    raise InteropError(f'--prompts={path} cannot be read: {error}') from error
  return tuple(filter(None, text.splitlines()))


def load(path: pathlib.Path) -> tuple[Any, Any]:
  """Loads a Hugging Face folder or GGUF file with `transformers`, in float32.

  Returns:
    The model and its tokenizer.
  """
  import torch
  import transformers

  about: dict[str, Any] = {'local_files_only': True}
  if path.is_file():
    about['gguf_file'], path = path.name, path.parent
  model = transformers.AutoModelForCausalLM.from_pretrained(
    path, dtype=torch.float32, **about
  )
  tokenizer = transformers.AutoTokenizer.from_pretrained(path, **about)
  return model.eval(), tokenizer


def logits(model: Any, ids: Sequence[int]) -> np.ndarray:
  """Returns the logits of a `transformers` model for one row, [L, V]."""
  import torch

  with torch.no_grad():
    return model(torch.tensor([list(ids)])).logits[0].float().numpy()


def our_logits(
  config: DecoderConfig, params: Any, ids: Sequence[int]
) -> np.ndarray:
  """Returns the logits of our decoder for one row, [L, V]."""
  length = len(ids)
  batch = {
    'tokens': np.array([ids], np.int32),
    'segments': np.ones((1, length), np.int32),
    'positions': np.arange(length, dtype=np.int32)[None],
  }
  return np.asarray(_forward(config, params, batch)[0])


@jax.jit(static_argnums=0)
def _forward(config, params, batch):
  return target_logits(config, params, hidden_states(config, params, batch))


def compare(
  reference: tuple[Any, Any],
  config: DecoderConfig,
  params: Any,
  vocabulary: Vocabulary,
  prompts: Sequence[str] = PROMPTS,
) -> list[Comparison]:
  """Compares the tokens, and the logits at every position, of each prompt.

  Args:
    reference: From `load`.
    config: Shape of our decoder.
    params: Its parameters.
    vocabulary: Its vocabulary.
    prompts: The texts.
  """
  model, tokenizer = reference
  start = [] if vocabulary.bos_id is None else [vocabulary.bos_id]
  compared = []
  for prompt in prompts:
    ids = start + vocabulary.encode(prompt)
    theirs, ours = logits(model, ids), our_logits(config, params, ids)
    compared.append(
      Comparison(
        prompt=prompt,
        tokens=len(ids),
        difference=float(np.abs(theirs - ours).max()),
        largest=float(np.abs(theirs).max()),
        agreed=int((theirs.argmax(-1) == ours.argmax(-1)).sum()),
        unlike=difference(tokenizer, list(tokenizer(prompt)['input_ids']), ids),
      )
    )
  return compared


def difference(
  tokenizer: Any, theirs: Sequence[int], ours: Sequence[int]
) -> str | None:
  """Returns where two tokenizations differ and why; None if they are equal."""
  if theirs == ours:
    return None
  length = max(len(theirs), len(ours))
  place = next(i for i in range(length) if theirs[i : i + 1] != ours[i : i + 1])

  def token(ids):
    if place >= len(ids):
      return 'no token'
    (name,) = tokenizer.convert_ids_to_tokens([ids[place]])
    return f'{name!r} ({ids[place]})'

  if theirs[1:] == ours or ours[1:] == theirs:
    whose = 'transformers' if len(theirs) > len(ours) else 'our vocabulary'
    why = f'{whose} starts sequences with it: {_SEE.format("bos")}'
  elif theirs[:-1] == ours:
    why = f'transformers ends sequences with it: {_SEE.format("eos")}'
  elif tokenizer.decode(theirs) == tokenizer.decode(ours):
    why = 'both spell the same text, split in another way'
  else:
    why = 'they spell different texts, so one of them changes it first'
  return (
    f'token {place} is {token(theirs)} in transformers and {token(ours)} here; '
    f'{why}'
  )


def table(comparisons: Sequence[Comparison]) -> str:
  """Returns a table of comparisons with a summary line."""
  lines = ['tokens  difference  same top token  same tokens  prompt']
  for one in comparisons:
    same = 'yes' if one.unlike is None else 'NO'
    lines.append(
      f'{one.tokens:6d}  {one.difference:10.1e}  {one.agreed:8d} of '
      f'{one.tokens:<3d}  {same:>11}  {one.prompt[:30]!r}'
    )
  lines += [
    f'{one.prompt[:30]!r}: {one.unlike}'
    for one in comparisons
    if one.unlike is not None
  ]
  tokens = sum(one.tokens for one in comparisons)
  agreed = sum(one.agreed for one in comparisons)
  lines.append(
    f'largest difference {max(one.difference for one in comparisons):.1e} of '
    f'logits up to {max(one.largest for one in comparisons):.1f}; same top '
    f'token at {agreed} of {tokens} positions'
  )
  return '\n'.join(lines)
