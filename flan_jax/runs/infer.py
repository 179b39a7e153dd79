"""`flan-jax infer`: continues prompts, or answers the rows of a task."""

from collections.abc import Callable, Iterator, Sequence
import contextlib
import json
import os
import pathlib
import sys
from typing import Any

import gin
import tqdm

from flan_jax.cache.cached_split import CacheConfig
from flan_jax.cache.store import CacheStore, flat, split_keys
from flan_jax.errors import ConfigError
from flan_jax.evaluation import answers
from flan_jax.evaluation.answers import Ending
from flan_jax.evaluation.eval_parts import eval_parts
from flan_jax.evaluation.evaluator import Models
from flan_jax.evaluation.generation.sampling import Sampling
from flan_jax.evaluation.models import make_models
from flan_jax.evaluation.prompts import Prompt, prompt_tokens, read_prompts
from flan_jax.evaluation.records import write_whole
from flan_jax.evaluation.requests import requests
from flan_jax.flags import Arguments
from flan_jax.interop import base_model
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.runtime import processes
from flan_jax.runtime.compilation import keep_compiled
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training import Checkpointer
from flan_jax.training.checkpoint import check_vocabulary
from flan_jax.vocabulary.load import load_vocabulary


@gin.configurable(module='flan_jax')
def infer(
  model: DecoderConfig,
  mesh: MeshConfig,
  cache_config: CacheConfig,
  vocabulary: str,
  prompts: str | None = None,
  mixture: str | Sequence[str] | None = None,
  max_rows: int | None = None,
  output: str | None = None,
  checkpoint: str | None = None,
  model_dir: str | None = None,
  initial_checkpoint: str | None = None,
  sampling: Sampling | None = None,
  stop: str | Sequence[str] = (),
  max_tokens: int | None = None,
  tokens_per_batch: int = 8192,
  seed: int = 0,
  allow_missing: bool = False,
  compilation_cache: str | None = None,
  arguments: Arguments | None = None,
  dry_run: bool = False,
) -> None:
  """Writes one JSON object an answer, in the order of what is asked.

  Args:
    model: Shape of the decoder.
    mesh: Shape of the device mesh.
    cache_config: Lengths and prompt format; of tasks, directories of the cache.
    vocabulary: As VOCABULARY.
    prompts: File of prompts, see `prompts.read_prompts`; or else
    mixture: the mixture or task whose test rows are answered, or several.
    max_rows: Most rows of a part; None for all.
    output: File that is written, whole or not at all; None: standard output,
      and all else that is said goes to standard error.
    checkpoint: Checkpoint or model directory, or 'best' of model_dir.
    model_dir: Its newest checkpoint answers if none is named.
    initial_checkpoint: What answers if there is neither: a base model.
    sampling: How tokens are drawn; None takes the most probable.
    stop: Texts before which an answer ends.
    max_tokens: Most tokens of an answer, its end token included; None for the
      targets of cache_config.
    tokens_per_batch: Places of a batch.
    seed: Chooses exemplars.
    allow_missing: Leaves out what is not prepared.
    compilation_cache: Where compiled programs are kept; None keeps none.
    arguments: What a child process that makes missing caches is started with.
    dry_run: Checks what can be checked without computing, and stops.

  Raises:
    ConfigError, UnknownNameError, ValueError: before anything is compiled.
  """
  if (prompts is None) == (mixture is None):
    raise ConfigError(
      'set one of PROMPTS, a file, and MIXTURE_OR_TASK_NAME, whose rows are '
      'answered: --gin.NAME=VALUE'
    )
  most = cache_config.lengths['targets'] if max_tokens is None else max_tokens
  stops = (stop,) if isinstance(stop, str) else tuple(stop or ())
  ending = Ending(most, stops)
  asked = None if prompts is None else read_prompts(prompts)
  keys = split_keys(flat([mixture]), training=False)
  cache_dir = cache_config.cache_dir
  with _answers_to(output) as write:
    keep_compiled(compilation_cache)
    tokens = load_vocabulary(base_model.locate(vocabulary, cache_dir))
    check_vocabulary(tokens, model)
    devices = make_mesh(mesh)
    store = CacheStore(
      cache_config, tokens, arguments and arguments.flags(), allow_missing
    )
    models = make_models(
      model, devices, tokens, cache_config, tokens_per_batch, sampling
    )
    if asked is not None:
      answer = _prompts_answerer(asked, models, cache_config.lengths['inputs'])
    path = _checkpoint(checkpoint, model_dir, initial_checkpoint, cache_dir)
    check_vocabulary(tokens, model, path)
    if dry_run:
      print(f'would answer {prompts or mixture} with {path}')
      listed = ', '.join(map(str, store.missing(keys)))
      print(f'units to be cached first: {listed or "none"}')
      return
    if asked is None:
      processes.first_then_others(lambda: store.ensure(keys))
      answer = _rows_answerer(store, flat([mixture]), seed, models, max_rows)
    params = Checkpointer.restore_params(path, abstract_params(model, devices))
    found = answer(params, ending)
    if processes.is_first():
      write(''.join(f'{json.dumps(a, ensure_ascii=False)}\n' for a in found))


_Answerer = Callable[[Any, Ending], list[dict[str, Any]]]


def _prompts_answerer(
  asked: Sequence[Prompt], models: Models, longest: int
) -> _Answerer:
  """Returns what continues prompts, with their other keys carried through."""
  tokens = prompt_tokens(asked, models.vocabulary, models.framing, longest)

  def answer(params, ending):
    with _progress(len(asked)) as bar:
      written = answers.write(tokens, models, params, ending, bar.update)
    return [
      {**prompt.fields, **said.fields}
      for prompt, said in zip(asked, written, strict=True)
    ]

  return answer


def _rows_answerer(
  store: CacheStore,
  mixtures: Sequence[str],
  seed: int,
  models: Models,
  rows: int | None,
) -> _Answerer:
  """Returns what answers the test rows of mixtures."""
  parts = [part for name in mixtures for part in eval_parts(store, name, seed)]
  for name in store.left_out:
    processes.log(f'left out, as not prepared: {name}')
  queue = []
  for part in parts:
    if part.null:
      processes.log(f'left out: {part.test.name}: {part.null}')
    else:
      queue += requests(part.test, models.framing, part.templates, rows)
  if not queue:
    raise ConfigError(f'{", ".join(mixtures)}: there is no row to answer')

  def answer(params, ending):
    ranked = sum(request.ranked for request in queue)
    with _progress(len(queue) + ranked) as bar:
      return answers.answer_rows(queue, models, params, ending, bar.update)

  return answer


def _progress(total: int) -> tqdm.tqdm:
  return tqdm.tqdm(
    total=total,
    unit='answer',
    desc='answering',
    disable=not processes.is_first(),
  )


def _checkpoint(
  spec: str | None,
  model_dir: str | None,
  initial_checkpoint: str | None,
  cache_dir: str,
) -> str:
  """Returns the one checkpoint that answers."""
  if spec == 'best' and model_dir is not None:
    return Checkpointer.best(model_dir)
  path = spec or model_dir or initial_checkpoint
  if not isinstance(path, str) or path in ('all', 'best'):
    raise ConfigError(
      'one checkpoint answers: set CHECKPOINT_PATH to it, or MODEL_DIR for its '
      f'newest, or with CHECKPOINT_PATH=best its best one; not {path!r}'
    )
  return base_model.locate(path, cache_dir)


@contextlib.contextmanager
def _answers_to(output: str | None) -> Iterator[Callable[[str], None]]:
  """Yields what writes the answers: to a file, or to standard output.

  Then whatever else is printed, by child processes too, goes to standard
  error.

  Raises:
    ConfigError: the file cannot be written.
  """
  if output is not None:
    path = pathlib.Path(output).expanduser()
    if path.is_dir() or not os.access(path.parent, os.W_OK):
      raise ConfigError(
        f'OUTPUT {output} cannot be written: it is a folder, or lies in none '
        'that can be written to'
      )
    yield lambda text: write_whole(path, text)
    return
  sys.stdout.flush()
  kept = os.dup(1)
  os.dup2(2, 1)
  try:
    with open(kept, 'w', encoding='utf-8', closefd=False) as file:
      yield file.write
  finally:
    sys.stdout.flush()
    os.dup2(kept, 1)
    os.close(kept)
