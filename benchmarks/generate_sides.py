"""The sides of `generate`: this project's generator and `transformers`."""

from collections.abc import Sequence
import dataclasses
import importlib.metadata
import importlib.util
import os
import pathlib
import time
from typing import Any, Protocol

from flan_jax.evaluation.generation.generator import Generator
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.runs import export_weights, import_weights
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import Checkpointer
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import load_vocabulary

OWN, PEER = 'flan_jax', 'transformers'
# Every answer has as many tokens as may come; or the end token ends it.
EVEN, ENDED = 'even', 'ended'
CASES = (EVEN, ENDED)

# What is generated to find out with how many threads PyTorch is faster.
_TRIAL_PROMPTS, _TRIAL_TOKENS = 8, 4
# No token: nothing ends an answer.
_NO_END = -1


@dataclasses.dataclass(frozen=True)
class Task:
  """What both sides do.

  Attributes:
    checkpoint: Imported parameters.
    folder: The same for `transformers`; made by `make_task`.
    vocabulary: Of the model.
    prompts: Token ids of each prompt.
    new_tokens: Most tokens of an answer, its end token included.
  """

  checkpoint: pathlib.Path
  folder: pathlib.Path
  vocabulary: Vocabulary
  prompts: Sequence[Sequence[int]]
  new_tokens: int

  def end(self, case: str) -> int:
    """Returns the token that ends an answer, `_NO_END` for none."""
    return self.vocabulary.eos_id if case == ENDED else _NO_END


class Side(Protocol):
  """Who generates."""

  def generate(self, case: str) -> list[list[int]]:
    """Returns the tokens after each prompt, an end token among them."""


def unavailable() -> dict[str, str]:
  """Returns the sides that cannot be measured here, and why."""
  if all(map(importlib.util.find_spec, ('torch', 'transformers'))):
    return {}
  return {PEER: "needs PyTorch: pip install '.[reference]'"}


def open_model(source: str, folder: pathlib.Path) -> tuple[pathlib.Path, ...]:
  """Imports a model, and writes it in float32 for `transformers`.

  Args:
    source: As `flan-jax import --from`.
    folder: Where both go.

  Returns:
    The checkpoint, and the folder for `transformers`.
  """
  checkpoint, exported = folder / 'imported', folder / 'exported'
  import_weights.main([f'--from={source}', f'--out={checkpoint}'])
  export_weights.main(
    [f'--checkpoint={checkpoint}', f'--out={exported}', '--dtype=float32']
  )
  return checkpoint, exported


class OwnSide:
  """The generator as `flan-jax infer` uses it."""

  def __init__(self, task: Task):
    self._task = task
    mesh = make_mesh(MeshConfig())
    record = Checkpointer.read_record(task.checkpoint)
    config = DecoderConfig(**record['model'])
    self._params = Checkpointer.restore_params(
      task.checkpoint, abstract_params(config, mesh)
    )
    size = load_vocabulary(str(task.checkpoint)).size
    self._generators = {
      case: Generator(config, mesh, task.end(case), vocab_size=size)
      for case in CASES
    }
    self.facts = {'jax': importlib.metadata.version('jax')}

  def generate(self, case: str) -> list[list[int]]:
    task = self._task
    answers = self._generators[case].generate(
      self._params, task.prompts, [task.new_tokens] * len(task.prompts)
    )
    # It leaves out the end token, which was computed as well.
    return [
      tokens if len(tokens) == task.new_tokens else [*tokens, task.end(case)]
      for tokens in answers
    ]


class TransformersSide:
  """`generate` of Hugging Face, the prompts in batches of like lengths.

  Attributes:
    batch_size: Prompts of a batch.
  """

  def __init__(self, task: Task):
    import torch
    import transformers

    self._task = task
    self._model = transformers.AutoModelForCausalLM.from_pretrained(
      task.folder, dtype=torch.float32, local_files_only=True
    ).eval()
    self.batch_size = 1
    self.facts = {
      'torch': torch.__version__,
      'transformers': transformers.__version__,
      'attention': self._model.config._attn_implementation,
      **self._choose_threads(),
    }

  def _choose_threads(self) -> dict[str, Any]:
    """Takes one thread or one a core, whichever is faster now.

    Where other work holds a core, threads that wait for each other are slower
    by far than one alone.
    """
    import torch

    seconds = {}
    prompts = self._task.prompts[:_TRIAL_PROMPTS]
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
      torch.set_num_threads(threads)
      self._batch(prompts, _NO_END, 1)
      begin = time.perf_counter()
      self._batch(prompts, _NO_END, _TRIAL_TOKENS)
      seconds[threads] = round(time.perf_counter() - begin, 3)
    threads = min(seconds, key=seconds.get)
    torch.set_num_threads(threads)
    return {'threads': threads, 'trial_seconds_by_threads': seconds}

  def choose_batch_size(
    self, case: str, sizes: Sequence[int]
  ) -> dict[int, float]:
    """Takes the size that is fastest on all prompts.

    Returns:
      Tokens a second with each size.
    """
    rates = {}
    for self.batch_size in sizes:
      begin = time.perf_counter()
      tokens = sum(map(len, self.generate(case)))
      rates[self.batch_size] = tokens / (time.perf_counter() - begin)
    self.batch_size = max(rates, key=rates.get)
    return rates

  def generate(self, case: str) -> list[list[int]]:
    prompts = self._task.prompts
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), self.batch_size):
      members = order[start : start + self.batch_size]
      found = self._batch(
        [prompts[i] for i in members],
        self._task.end(case),
        self._task.new_tokens,
      )
      for index, tokens in zip(members, found, strict=True):
        answers[index] = tokens
    return answers

  def _batch(
    self, prompts: Sequence[Sequence[int]], end: int, new_tokens: int
  ) -> list[list[int]]:
    import torch
    import transformers

    longest = max(map(len, prompts))
    tokens = torch.zeros((len(prompts), longest), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
      tokens[row, longest - len(prompt) :] = torch.as_tensor(prompt)
      mask[row, longest - len(prompt) :] = 1
    ends = None if end == _NO_END else end
    # Taken from the model where it is not given.
    self._model.generation_config.eos_token_id = ends
    with torch.inference_mode():
      found = self._model.generate(
        tokens,
        attention_mask=mask,
        generation_config=transformers.GenerationConfig(
          do_sample=False,
          max_new_tokens=new_tokens,
          eos_token_id=ends,
          pad_token_id=0,
        ),
      )
    return [
      row[: row.index(end) + 1] if end in row else row
      for row in found[:, longest:].tolist()
    ]


def agreement(
  vocabulary: Vocabulary,
  mine: Sequence[Sequence[int]],
  theirs: Sequence[Sequence[int]],
) -> dict[str, Any]:
  """Returns how far two sides said the same.

  Args:
    vocabulary: Turns tokens into text.
    mine: The answers of one side.
    theirs: Those of the other.

  Returns:
    Shares of the answers whose texts are the same, and of the tokens before
    the first that differs.
  """
  pairs = list(zip(mine, theirs, strict=True))
  same = [vocabulary.decode(a) == vocabulary.decode(b) for a, b in pairs]
  before = [
    next(
      (n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y),
      min(len(a), len(b)),
    )
    for a, b in pairs
  ]
  return {
    'same_texts': round(sum(same) / len(pairs), 4),
    'same_tokens': round(sum(before) / sum(map(len, theirs)), 4),
  }
