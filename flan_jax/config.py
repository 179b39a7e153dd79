"""Gin at the edge: search paths, parsing, checks and the written record.

Library code takes arguments and works without gin; here dataclasses and the
run functions are bound to it.
"""

import ast
from collections.abc import Iterator, Sequence
import dataclasses
import difflib
import importlib
import logging
import os
import pathlib
from typing import Any

import gin

from flan_jax.errors import ConfigError

# What each macro of the shipped gin files means. A macro that is set, but
# neither listed here nor read by a loaded file, is taken for a misspelling.
MACROS = {
  'ALLOW_MISSING': 'leave out members whose data is not prepared',
  'BATCH_ROWS': 'rows of a batch, over all devices',
  'CACHE_DIR': 'where token caches lie',
  'CHECKPOINT_PATH': "what is evaluated: a path, a list of them, 'all', 'best'",
  'CHECKPOINT_PERIOD': 'steps between checkpoints',
  'COMPILATION_CACHE_DIR': 'where compiled programs are kept, or None',
  'COMPUTE_DTYPE': "'float32' or 'bfloat16'; parameters are always float32",
  'CONTAMINATED': 'JSON file, part -> ids of rows seen in pretraining',
  'DATA_DIR': "TFDS data directory; 'mini' for the corpus that is shipped",
  'VALIDATION_MIXTURE': 'what is scored on its validation rows while training',
  'DROPOUT_RATE': 'share of activations dropped in training',
  'EVAL_BASE': 'whether what training starts from is evaluated too',
  'EVAL_MIXTURE': 'mixture or task evaluated when training ends, or None',
  'EVAL_PERIOD': 'steps between evaluations on development rows',
  'EVAL_ROWS': 'development rows of a part scored every EVAL_PERIOD steps',
  'EXEMPLAR_SEPARATOR': 'text after an exemplar; None for the end token',
  'HARDWARE': "what plans are made for, as 'v4:4x4x4'; training ignores it",
  'FROZEN': 'regular expressions of the names of parameters not trained',
  'INITIAL_CHECKPOINT_PATH': 'checkpoint whose parameters training starts from',
  'KEEP_BEST': 'metric on development rows whose best checkpoint is kept',
  'KEEP_CHECKPOINTS': 'newest checkpoints kept',
  'LEARNING_RATE': 'learning rate, constant after the warm-up',
  'MAX_EVAL_ROWS': 'most rows of a part that are evaluated, or None',
  'MAX_NEW_TOKENS': 'most tokens of an answer, its end token included, or None',
  'MESH_DATA': 'devices on the data axis; -1 for all that are left',
  'MESH_FSDP': 'devices on the fsdp axis',
  'MESH_MODEL': 'devices on the model axis',
  'MICROBATCHES': 'pieces that a batch is computed in',
  'MIXTURE_OR_TASK_NAME': 'what is trained, evaluated, answered or cached',
  'MODEL_DIR': 'where checkpoints, metrics and results go',
  'OUTPUT': 'file that answers are written to; None for standard output',
  'PACK_HEADROOM': 'rows of a window over what its tokens fill, or None',
  'PACK_LENGTH': 'tokens of a row',
  'PIPELINE_OPTIONS': 'options of a Beam runner that makes the cache, or None',
  'PROMPT_FORMAT': "text around '{input}'; None for the end token after it",
  'PROMPTS': "file of prompts: one a line, or .jsonl objects with 'prompt'",
  'SEED': 'decides parameters, order of examples, exemplars and dropout',
  'STOP': 'texts before which an answer ends',
  'TARGET_BUDGET': 'predicted tokens of a row, or None',
  'TASK_FEATURE_LENGTHS': "{'inputs': …, 'targets': …}, tokens of one example",
  'TEMPERATURE': 'logits are divided by it; 0 takes the most probable token',
  'TOKENS_PER_EVAL_BATCH': 'places of an evaluation batch, over all devices',
  'TOP_K': 'only so many of the most probable tokens come; 0 for all',
  'TOP_P': 'only the most probable tokens of this probability; 1 for all',
  'TRAIN_STEPS': 'steps of the whole run',
  'VOCABULARY': "'mini', a tokenizer's file or folder, or 'package:NAME'",
  'Z_LOSS': 'coefficient of the z-loss, 0 for none',
  'WRITE_OPTIONS': 'whether what is ranked is answered in free text, too',
  'WARMUP_STEPS': 'steps in which the learning rate rises to its value',
}

_CONFIGURABLES = (
  ('flan_jax.cache.cached_split', 'CacheConfig'),
  ('flan_jax.batches.loader', 'PackingConfig'),
  ('flan_jax.evaluation.eval_config', 'EvalConfig'),
  ('flan_jax.evaluation.generation.sampling', 'Sampling'),
  ('flan_jax.model.decoder_config', 'DecoderConfig'),
  ('flan_jax.sharding.mesh', 'MeshConfig'),
  ('flan_jax.training.loop', 'LoopConfig'),
  ('flan_jax.training.optimizer', 'OptimizerConfig'),
)
_RUNS = ('cache', 'train', 'evaluate', 'infer', 'plan')

_MACRO = 'gin.macro'
_REQUIRED = 'gin.REQUIRED/gin.constant'


@dataclasses.dataclass(frozen=True)
class Arguments:
  """What the command line says.

  Attributes:
    gin_files: Files, in order.
    bindings: Gin bindings that override them.
    search_paths: Further folders in which gin files are looked for.
    task_modules: Modules that register users' datasets.
    template_set: File of templates that replace those of some datasets.
  """

  gin_files: tuple[str, ...] = ()
  bindings: tuple[str, ...] = ()
  search_paths: tuple[str, ...] = ()
  task_modules: tuple[str, ...] = ()
  template_set: str | None = None

  def flags(self) -> list[str]:
    """Returns the command-line flags that say the same."""
    template_sets = () if self.template_set is None else (self.template_set,)
    return [
      *(f'--gin_file={name}' for name in self.gin_files),
      *(f'--gin_bindings={binding}' for binding in self.bindings),
      *(f'--gin_search_paths={path}' for path in self.search_paths),
      *(f'--task_module={module}' for module in self.task_modules),
      *(f'--template_set={path}' for path in template_sets),
    ]


def shipped_gin_dir() -> pathlib.Path:
  """Returns the folder of the shipped gin files.

  Inside the package when installed, beside it in a checkout.
  """
  package = pathlib.Path(__file__).resolve().parent
  installed = package / 'gin'
  return installed if installed.is_dir() else package.parent / 'gin'


def register() -> None:
  """Makes dataclasses and run functions known to gin, once."""
  for module, name in _CONFIGURABLES:
    if f'flan_jax.{name}' not in gin.config._REGISTRY:
      gin.external_configurable(
        getattr(importlib.import_module(module), name),
        name=name,
        module='flan_jax',
      )
  for name in _RUNS:
    importlib.import_module(f'flan_jax.runs.{name}')


def override(name: str, value: str) -> str:
  """Turns `--gin.NAME=VALUE` into a binding; bare words become strings.

  >>> override('TRAIN_STEPS', '100')
  'TRAIN_STEPS = 100'
  >>> override('MODEL_DIR', '/tmp/model')
  "MODEL_DIR = '/tmp/model'"
  """
  try:
    ast.literal_eval(value)
  except (ValueError, SyntaxError):
    if value[:1] not in ('%', '@'):
      value = repr(value)
  return f'{name} = {value}'


def parse(arguments: Arguments, run: str) -> None:
  """Parses gin files and bindings, and checks them for the run function.

  Args:
    arguments: Files, bindings and search paths.
    run: Name of the run function, as `train`.

  Raises:
    ConfigError: a file is missing, a binding names nothing, a macro is
      misspelt, a required one is missing, or the defaults of a shipped run file
      would replace what a file before it has set.
  """
  register()
  paths = [os.getcwd(), str(shipped_gin_dir()), *arguments.search_paths]
  files = [_find(name, paths) for name in arguments.gin_files]
  for path in paths[1:]:
    gin.add_config_file_search_path(path)
  # Gin logs an error for each place where an included file does not lie.
  logging.disable(logging.ERROR)
  try:
    lost = [loss for path in files for loss in _parse_file(path)]
    # Not finalized: gin would demand macros that this run never reads.
    gin.parse_config_files_and_bindings(
      [], list(arguments.bindings), finalize_config=False
    )
  except (ValueError, SyntaxError, OSError) as error:
    raise ConfigError(f'{error}{_nearest_binding(str(error))}') from error
  finally:
    logging.disable(logging.NOTSET)
  check_macros()
  _check_lost(lost, arguments.bindings)
  check_required(run)


def _macros() -> dict[str, Any]:
  return {
    scope: values.get('value')
    for (scope, selector), values in _bindings().items()
    if selector == _MACRO
  }


def _parse_file(path: str) -> list[tuple[str, Any, Any, str]]:
  """Returns the macros that a shipped run file replaced, with both values."""
  before = _macros()
  gin.parse_config_files_and_bindings([path], [], finalize_config=False)
  if pathlib.Path(path).resolve().parent != shipped_gin_dir() / 'runs':
    return []
  after = _macros()
  return [
    (name, value, after[name], path)
    for name, value in before.items()
    if after[name] != value
  ]


def _check_lost(
  lost: Sequence[tuple[str, Any, Any, str]], bindings: Sequence[str]
) -> None:
  """Raises ConfigError where a default has replaced a setting for good."""
  said = {binding.partition('=')[0].strip() for binding in bindings}
  for name, setting, default, path in lost:
    if name not in said and _macros()[name] == default:
      raise ConfigError(
        f'{name} is {setting!r} in a file before {path}, which sets it back to '
        f'{default!r}: give --gin_file={path} before that file, or say '
        f'--gin.{name}=VALUE'
      )


def _find(name: str, paths: Sequence[str]) -> str:
  candidates = [name, *(os.path.join(path, name) for path in paths)]
  for candidate in candidates:
    if os.path.isfile(candidate):
      return candidate
  raise ConfigError(
    f'no gin file {name!r} in {", ".join(dict.fromkeys(paths))}; add its '
    'folder with --gin_search_paths'
  )


def _nearest_binding(message: str) -> str:
  """Returns a hint for gin's messages about unknown names."""
  known = [selector for selector, _ in gin.config._REGISTRY.items()]
  known = [name.removeprefix('flan_jax.') for name in known]
  for unknown in message.split("'")[1::2]:
    close = difflib.get_close_matches(unknown.strip('@()'), known, n=1)
    if close:
      return f'\n  nearest: {close[0]}'
  return ''


def _references(value: Any) -> Iterator[str]:
  """Yields the selectors that a bound value refers to."""
  if isinstance(value, gin.config.ConfigurableReference):
    yield value.scoped_selector
  elif isinstance(value, dict):
    for item in (*value.keys(), *value.values()):
      yield from _references(item)
  elif isinstance(value, list | tuple):
    for item in value:
      yield from _references(item)


def _bindings() -> dict[tuple[str, str], dict[str, Any]]:
  return gin.config._CONFIG


def check_macros() -> None:
  """Raises ConfigError for a macro that nothing reads, or that is not set."""
  known = {scope for scope, selector in _bindings() if selector == _MACRO}
  read = {
    selector.removesuffix(f'/{_MACRO}')
    for values in _bindings().values()
    for value in values.values()
    for selector in _references(value)
    if selector.endswith(f'/{_MACRO}')
  }
  for name in sorted(known - read - set(MACROS)):
    close = difflib.get_close_matches(name, sorted(read | set(MACROS)), n=1)
    hint = f', nearest: {close[0]}' if close else ''
    raise ConfigError(f'macro {name} is set, but nothing reads it{hint}')
  for name in sorted(read - known):
    raise ConfigError(f'macro {name} is read, but set nowhere')


def check_required(run: str) -> None:
  """Raises ConfigError for required macros that the run would read."""
  missing, todo, seen = [], [f'flan_jax.{run}'], set()
  while todo:
    selector = todo.pop()
    if selector in seen:
      continue
    seen.add(selector)
    for values in _values_of(selector):
      references = list(_references(values))
      if _REQUIRED in references and selector.endswith(_MACRO):
        missing.append(selector.removesuffix(f'/{_MACRO}'))
      todo += references
  if missing:
    lines = [f'  {n}: {MACROS.get(n, "required")}' for n in sorted(missing)]
    raise ConfigError(
      'not set, but required:\n' + '\n'.join(lines) + '\n  set it with '
      f'--gin.{sorted(missing)[0]}=VALUE or in a gin file'
    )


def _values_of(selector: str) -> list[Any]:
  """Returns what is bound to a configurable or macro, by any of its names."""
  scope, _, name = selector.rpartition('/')
  return [
    value
    for (bound_scope, bound), values in _bindings().items()
    if bound_scope == scope and (bound == name or bound.endswith(f'.{name}'))
    for value in values.values()
  ]


def write_record(model_dir: str, template_set: str | None = None) -> None:
  """Writes the operative configuration to MODEL_DIR/config.gin.

  Args:
    model_dir: The folder; made if missing.
    template_set: Hash of the template set in force, which gin does not know.
  """
  path = pathlib.Path(model_dir) / 'config.gin'
  path.parent.mkdir(parents=True, exist_ok=True)
  text = gin.operative_config_str()
  if template_set is not None:
    text = f'# Template set: {template_set}\n\n{text}'
  path.write_text(text)
