"""`flan-jax infer`: continues prompts, or answers the rows of a task."""

import dataclasses
import json

import gin

from flan_jax.definitions import names
from flan_jax.errors import ConfigError
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.inference import (
  Ending,
  answer_prompts,
  answer_rows,
  rows_to_answer,
)
from flan_jax.evaluation.models import Session
from flan_jax.evaluation.prompts import prompt_tokens, read_prompts
from flan_jax.flags import Arguments
from flan_jax.runs.checkpoint_paths import one_checkpoint
from flan_jax.runs.run_setup import RunSetup
from flan_jax.runtime import processes
from flan_jax.runtime.console import text_output
from flan_jax.setting_types import Count, Name, Names, Path
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show


@gin.configurable(module='flan_jax')
@dataclasses.dataclass(frozen=True)
class InferSource:
  """What is answered, and by which checkpoint.

  Attributes:
    prompts: File of prompts, see `prompts.read_prompts`; None for a mixture.
    mixture: Mixture or task whose test rows are answered, or several.
    max_rows: Most rows of a part; None for all.
    checkpoint: Checkpoint or model directory, or 'best' of model_dir.
    model_dir: Its newest checkpoint answers by default.
    initial_checkpoint: A base model, which answers if neither is given.
  """

  prompts: Path | None = None
  mixture: Name | Names | None = None
  max_rows: Count | None = None
  checkpoint: Path | None = None
  model_dir: Path | None = None
  initial_checkpoint: Path | None = None

  def __post_init__(self):
    if (self.prompts is None) == (self.mixture is None):
      raise ConfigError(
        'set either PROMPTS, a file, or MIXTURE_OR_TASK_NAME, whose rows are '
        'answered'
      )


@gin.configurable(module='flan_jax')
def infer(
  setup: RunSetup,
  source: InferSource,
  ending: Ending,
  sampling: Sampling | None = None,
  output: Path | None = None,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Writes one JSON object for each answer, in the order of the prompts.

  Args:
    setup: The model and its data.
    source: What is answered, and by which checkpoint.
    ending: When an answer ends.
    sampling: How tokens are drawn; None takes the most probable.
    output: File to write; None for standard output, while everything else is
      printed to standard error.
    arguments: Given to the child process that makes missing caches.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    UserError: before anything is compiled.
  """
  lengths = setup.cache_config.lengths
  if ending.tokens is None:
    ending = dataclasses.replace(ending, tokens=lengths['targets'])
  prompts = None if source.prompts is None else read_prompts(source.prompts)
  mixtures = names.resolve_all([source.mixture])
  with text_output(output) as write:
    workspace = setup.open(arguments, sampling)
    models = workspace.models
    if prompts is not None:
      tokens = prompt_tokens(
        prompts, models.vocabulary, models.framing, lengths['inputs']
      )
    path = one_checkpoint(
      source.checkpoint, source.model_dir, source.initial_checkpoint
    )
    path = setup.locate(path)
    workspace.check_checkpoint(path)
    if dry_run:
      show(
        [
          f'would answer {source.prompts or source.mixture} with {path}',
          f'splits to cache first: {workspace.missing(mixtures) or "none"}',
        ]
      )
      return
    parts = []
    if prompts is None:
      workspace.ensure(mixtures)
      parts = [part for plan in mixtures for part in workspace.parts(plan)]
      for name in workspace.store.left_out:
        processes.log(f'left out because not prepared: {name}')
      queue = rows_to_answer(parts, models.framing, source.max_rows)
    workspace.check_same((), parts, [path])
    params = setup.cast(workspace.restore_evaluated(path))
    with Bar('answering', unit='answer', enabled=processes.is_first()) as bar:
      session = Session(models, params, bar=bar)
      if prompts is None:
        answers = answer_rows(queue, session, ending)
      else:
        answers = answer_prompts(prompts, tokens, session, ending)
    if processes.is_first():
      write(''.join(f'{json.dumps(a, ensure_ascii=False)}\n' for a in answers))
