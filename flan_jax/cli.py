"""The command line: flags -> gin -> one run."""

import argparse
from collections.abc import Sequence
import importlib
import os
import sys

from flan_jax.config import Arguments, override
from flan_jax.errors import ConfigError, UserError

# Command -> the run function that gin binds.
_RUNS = {
  'train': 'train',
  'eval': 'evaluate',
  'cache': 'cache',
  'infer': 'infer',
}
# Command -> the module that parses its plain flags.
_PLAIN = {
  'inspect': 'inspect_tasks',
  'prepare': 'prepare',
  'import-data': 'import_data',
  'import': 'import_weights',
  'export': 'export_weights',
  'plan': 'plan',
}
# Commands that several processes can do together.
_MULTIPROCESS = ('train', 'eval', 'infer')
_COMMANDS = (*_RUNS, *_PLAIN)

_USAGE = """\
flan-jax COMMAND [--gin_file=FILE …] [--gin.NAME=VALUE …] [--dry_run]

commands:
  train        instruction-tune a decoder, then evaluate what it never saw
  eval         evaluate a checkpoint zero-shot
  infer        continue the prompts of a file, or answer the rows of a task
  cache        render and tokenize what a run needs
  inspect      show datasets, rows of a task, rates of a mixture, what is in a
               cache, and whether a hold-out leaks
  prepare      download what a mixture or task needs
  import-data  turn JSON Lines into a TFDS directory
  import       turn another's model into a checkpoint to start from
  export       turn a checkpoint into a folder that transformers loads
  plan         compile for hardware that need not be there: memory, time, cost

Five of them have plain flags and plan has some more: flan-jax COMMAND --help.

flags of train, eval, infer, cache and plan:
  --gin_file=FILE          a gin file, looked for here, among the shipped ones
                           (runs/quickstart.gin) and in the search paths
  --gin.NAME=VALUE         sets a macro (--gin.TRAIN_STEPS=100) or a parameter
                           (--gin.OptimizerConfig.warmup_steps=10)
  --gin_search_paths=DIR   a further folder of gin files
  --task_module=MODULE     a module that registers your datasets
  --template_set=FILE      templates, in JSON or as a Python dictionary, that
                           replace those of the datasets it names; the word
                           continuation for prompts that a model which knows no
                           instructions goes on with (with
                           --gin.PROMPT_FORMAT='{input} ')
  --allow_missing          leave out what is not prepared; results say so
  --pipeline_options=TEXT  options of an Apache Beam runner that makes the
                           cache, as '--runner=DataflowRunner --project=…'
  --profile=FIRST:LAST     of train: write a JAX profile of these steps to
                           MODEL_DIR/profile
  --multiprocess           train, eval and infer: join the other processes of a
                           TPU pod, GKE or SLURM job
  --coordinator_address=HOST:PORT --process_count=N --process_index=I
                           join processes anywhere else
  --dry_run                check everything, compute nothing
"""


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command; returns the exit code, 2 for a mistake of the user's."""
  # TensorFlow, where a command needs it, announces itself at length.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  argv = list(sys.argv[1:] if argv is None else argv)
  if not argv or argv[0] in ('-h', '--help'):
    print(_USAGE, end='')
    return 0
  command = argv.pop(0)
  if command not in _COMMANDS:
    known = ', '.join(_COMMANDS)
    print(
      f'flan-jax: no command {command!r}, known are {known}', file=sys.stderr
    )
    return 2
  try:
    if command in _PLAIN:
      module = importlib.import_module(f'flan_jax.runs.{_PLAIN[command]}')
      return module.main(argv)
    return _run(command, argv)
  except (UserError, ValueError, OSError, FloatingPointError) as error:
    message = str(error)
    # Gin adds where it called the function, which is always here.
    message = message.partition('\n  In call to configurable')[0]
    print(f'flan-jax {command}: error: {message}', file=sys.stderr)
    return 2


def _run(command: str, argv: Sequence[str]) -> int:
  if command in _MULTIPROCESS:
    argv = _join_processes(argv)
  arguments, dry_run = parse_arguments(command, argv)
  from flan_jax import config
  from flan_jax.definitions import registry, template_set

  registry.load(arguments.task_modules)
  config.parse(arguments, _RUNS[command])
  if arguments.template_set is not None:
    # Now, as a gin file may have registered datasets.
    template_set.apply(arguments.template_set)
  if command == 'cache':
    from flan_jax.runs.cache import cache

    cache(dry_run=dry_run)
  elif command == 'train':
    from flan_jax.runs.train import train

    train(arguments=arguments, dry_run=dry_run)
  elif command == 'infer':
    from flan_jax.runs.infer import infer

    infer(arguments=arguments, dry_run=dry_run)
  else:
    from flan_jax.runs.evaluate import evaluate

    evaluate(arguments=arguments, dry_run=dry_run)
  return 0


def _join_processes(argv: Sequence[str]) -> list[str]:
  """Joins the other processes of the run, if there are any.

  Returns:
    The flags that do not name processes.

  Raises:
    ConfigError: some, but not all, of what names them is given.
  """
  parser = argparse.ArgumentParser(allow_abbrev=False, usage=_USAGE)
  parser.add_argument('--multiprocess', action='store_true')
  parser.add_argument('--coordinator_address')
  parser.add_argument('--process_count', type=int)
  parser.add_argument('--process_index', type=int)
  flags, rest = parser.parse_known_args(list(argv))
  named = (flags.coordinator_address, flags.process_count, flags.process_index)
  given = [value is not None for value in named]
  if any(given) and not all(given):
    raise ConfigError(
      '--coordinator_address, --process_count and --process_index go together'
    )
  if all(given) or flags.multiprocess:
    from flan_jax.runtime import processes

    processes.start(*named)
  return rest


def parse_arguments(
  command: str, argv: Sequence[str]
) -> tuple[Arguments, bool]:
  """Parses the flags of a command that gin configures.

  Returns:
    The arguments, and whether it is a dry run.

  Raises:
    ConfigError: an unknown flag.
  """
  parser = argparse.ArgumentParser(prog=f'flan-jax {command}', usage=_USAGE)
  parser.add_argument('--gin_file', action='append', default=[])
  parser.add_argument('--gin_bindings', action='append', default=[])
  parser.add_argument('--gin_search_paths', action='append', default=[])
  parser.add_argument('--task_module', action='append', default=[])
  parser.add_argument('--template_set')
  parser.add_argument('--allow_missing', action='store_true')
  parser.add_argument('--pipeline_options')
  if command == 'train':
    parser.add_argument('--profile')
  parser.add_argument('--dry_run', action='store_true')
  parsed, rest = parser.parse_known_args(list(argv))
  bindings = list(parsed.gin_bindings)
  for flag in rest:
    name, equals, value = flag.partition('=')
    if not name.startswith('--gin.') or not equals:
      raise ConfigError(f'unknown flag {flag!r}, see flan-jax --help')
    bindings.append(override(name.removeprefix('--gin.'), value))
  if parsed.allow_missing:
    bindings.append(override('ALLOW_MISSING', 'True'))
  if parsed.pipeline_options is not None:
    bindings.append(f'PIPELINE_OPTIONS = {parsed.pipeline_options!r}')
  if getattr(parsed, 'profile', None) is not None:
    bindings.append(f'train.profile = {parsed.profile!r}')
  arguments = Arguments(
    gin_files=tuple(parsed.gin_file),
    bindings=tuple(bindings),
    search_paths=tuple(
      path for flag in parsed.gin_search_paths for path in flag.split(',')
    ),
    task_modules=tuple(parsed.task_module),
    template_set=parsed.template_set,
  )
  return arguments, parsed.dry_run
