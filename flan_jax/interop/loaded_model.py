"""A model in memory, for Python: it ranks options and continues prompts."""

from collections.abc import Sequence
import dataclasses
import os
from typing import Any

import jax

from flan_jax.batches.packing import Example
from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.generator import Generator
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.generation.stopping import stop_texts
from flan_jax.evaluation.models import Models, Session
from flan_jax.evaluation.scoring.rank import (
  OptionScore,
  Scorer,
  option_scores,
)
from flan_jax.evaluation.written import write
from flan_jax.interop import model_gin
from flan_jax.interop.recorded_vocabulary import open_vocabulary
from flan_jax.model import DecoderConfig
from flan_jax.model.adapters import base_config
from flan_jax.runtime.paths import user_path
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_record import (
  check_no_prompt,
  recorded_model,
)
from flan_jax.training.model_checkpoint import restore_model
from flan_jax.vocabulary.base import Vocabulary


@dataclasses.dataclass(frozen=True)
class Model:
  """A decoder on all devices of this process.

  Attributes:
    path: The checkpoint it was read from.
    config: Shape of the decoder.
    vocabulary: Turns text into tokens.
    prompt_format: Text around '{input}' that it was tuned with; None for the
      end token after the input.
    mesh: The devices.
    params: The parameters.
  """

  path: str
  config: DecoderConfig
  vocabulary: Vocabulary
  prompt_format: str | None
  mesh: jax.sharding.Mesh
  params: Any

  @property
  def framing(self) -> Framing:
    """The tokens around a prompt and its answer."""
    settings = CacheConfig('.', prompt_format=self.prompt_format)
    return Framing.of(settings, self.vocabulary)

  def prompts(self, texts: Sequence[str]) -> list[list[int]]:
    """Returns the tokens of prompts, as in training and evaluation."""
    encode = self.vocabulary.encode
    return [self.framing.prompt(encode(text)) for text in texts]


def load_model(
  path: str | os.PathLike,
  vocabulary: str | None = None,
  prompt_format: str | None = None,
) -> Model:
  """Reads a model onto all devices of this process.

  Args:
    path: What `import_model` or training wrote: a checkpoint, or a folder of
      checkpoints for its newest one.
    vocabulary: Path of its vocabulary; None for what the checkpoint records.
    prompt_format: Text around '{input}'; None for what the checkpoint records,
      or, of an imported model, the `model.gin` beside it.

  Raises:
    UserError: There is no such model, its vocabulary cannot be opened, or
      nothing says its prompt format.
  """
  path = str(path)
  record = Checkpointer.read_record(path)
  check_no_prompt(record, path)
  config = base_config(recorded_model(record, path))
  if prompt_format is None and 'imported' in record:
    prompt_format = model_gin.prompt_format(user_path(path))
  mesh = make_mesh(MeshConfig())
  return Model(
    path=path,
    config=config,
    vocabulary=open_vocabulary(record, path, vocabulary),
    prompt_format=prompt_format or record.get('prompt_format'),
    mesh=mesh,
    params=restore_model(path, config, mesh),
  )


def rank(
  model: Model, prompts: Sequence[str], options: Sequence[Sequence[str]]
) -> list[list[OptionScore]]:
  """Scores the options of each prompt, as evaluations do.

  The model chooses the option with the highest `total`, the log-likelihood of
  its tokens and of the end token.

  Args:
    model: The model.
    prompts: The texts before the options.
    options: For each prompt, the texts that may follow it.

  Raises:
    ConfigError: There are not as many lists of options as prompts.
  """
  if len(prompts) != len(options):
    raise ConfigError(
      f'rank: {len(prompts)} prompts, but {len(options)} lists of options: '
      'give one for each prompt'
    )
  encode, framing = model.vocabulary.encode, model.framing
  examples = [
    Example(prompt, tuple(framing.target(encode(x), cut=False) for x in texts))
    for prompt, texts in zip(model.prompts(prompts), options, strict=True)
  ]
  found: list[list[OptionScore]] = [[] for _ in examples]
  scorer = Scorer(model.config, model.mesh)
  for index, log_probs in scorer.scored(model.params, examples):
    found[index] = option_scores(log_probs, [True] * len(log_probs))
  return found


def generate(
  model: Model,
  prompts: Sequence[str],
  max_new_tokens: int = 64,
  stop: str | Sequence[str] = (),
  sampling: Sampling | None = None,
) -> list[str]:
  """Continues prompts, as `flan-jax infer` does.

  Args:
    model: The model.
    prompts: The texts to continue.
    max_new_tokens: Most tokens of an answer, end token included.
    stop: Texts that end an answer, besides the end token.
    sampling: How tokens are drawn; None takes the most probable.
  """
  generator = Generator(
    model.config,
    model.mesh,
    model.vocabulary.end_ids,
    sampling=sampling,
    vocab_size=model.vocabulary.size,
  )
  models = Models(
    config=model.config,
    scorer=Scorer(model.config, model.mesh),
    generator=generator,
    vocabulary=model.vocabulary,
    framing=model.framing,
  )
  limits = [max_new_tokens] * len(prompts)
  session, texts = Session(models, model.params), stop_texts(stop)
  answers = write(model.prompts(prompts), limits, session, 'written', texts)
  return [answer.text for answer in answers]
