"""The command line: `flan-jax COMMAND …`."""

from collections.abc import Sequence
import functools
import importlib
import os
import signal
import sys
import traceback

from flan_jax import command_flags, command_help, config, flags
from flan_jax.errors import ConfigError, UserError
from flan_jax.flags import MODULES, MULTIPROCESS, TRAINING
from flan_jax.runtime import disk, peers, stop_signals
from flan_jax.runtime.buckets import check_buckets
from flan_jax.terminal.screen import show, show_error

# Commands that finish something when they are asked to stop. The others keep
# nothing that a signal could harm.
_RESUMABLE = (*TRAINING, 'eval', 'study')
# Commands whose function gin binds; the others parse their own flags.
_GIN = (*MULTIPROCESS, 'cache', 'serve')
COMMANDS = {
  'train': 'instruction-tune a decoder, then evaluate what it never saw',
  'prompt-tune': 'train a soft prompt of a task on a frozen model',
  'eval': 'evaluate checkpoints zero-shot or few-shot',
  'infer': 'continue the prompts of a file, or answer the rows of a task',
  'serve': 'answer requests over HTTP, with a page to try prompts on',
  'study': "run one of the paper's experiments, or one of your own",
  'compare': 'compare two evaluations of the same rows, row by row',
  'report': "make a page of results, beside the paper's",
  'cache': 'render and tokenize what a run needs',
  'render': 'write the examples of a mixture as text, for other trainers',
  'explore': 'make a page of all templates on rows, to open in a browser',
  'inspect': 'show datasets, rows, mixtures and caches; check for leakage',
  'contamination': 'find the test rows that a pretraining corpus contains',
  'prepare': 'download what a mixture or task needs',
  'new-task': 'write a task module for a file of your own rows',
  'import-data': 'turn JSON Lines into a TFDS data directory',
  'import': 'turn a pretrained model into a checkpoint to start from',
  'export': 'turn a checkpoint into a folder that transformers or peft loads',
  'plan': 'compile for hardware that need not be present: memory, time, cost',
  'launch': 'run a command on Cloud TPUs, GKE or a SLURM cluster',
  'help': 'list the macros of the gin files, or describe the ones you name',
}
# Flags that go to the function itself.
_OWN_FLAGS = ('profile', 'verbose', 'checkpoint', 'host', 'port')
_LONGEST_LINE = 1000  # Of an error, in characters.
_EXAMPLE = 'flan-jax train --gin_file=runs/quickstart.gin'


def main(argv: Sequence[str] | None = None) -> int:
  """Runs a command.

  Returns:
    The exit code: 0, 2 for a mistake that the user can fix, 130 after Ctrl-C,
    128 and the number of another signal that stopped it (0 if it trains), or
    the command's own. A bug raises its exception.
  """
  # Silences TensorFlow's start-up messages in commands that need it.
  os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
  argv = list(sys.argv[1:] if argv is None else argv)
  # What follows `--` belongs to the command that is launched.
  end = argv.index('--') if '--' in argv else len(argv)
  debug = '--debug' in argv[:end]
  argv = [flag for flag in argv[:end] if flag != '--debug'] + argv[end:]
  if not argv or argv[0] in ('-h', '--help'):
    show(_usage())
    return 0
  command, *rest = argv
  try:
    kept = command in _RESUMABLE
    with stop_signals.handled(kept or command in MULTIPROCESS, kept):
      return _run(command, rest)
  except stop_signals.Stopped as stopped:
    show_error(f'flan-jax {command}: {stopped}')
    asked = stopped.received != signal.SIGINT
    # Whoever preempts a training run starts it again; it has not failed.
    if asked and command in TRAINING:
      return 0
    return peers.leave(stopped.code, str(stopped))
  except UserError as error:
    if debug:
      traceback.print_exc()
    # Gin appends the place of the call, which is always in this file.
    message = str(error).partition('\n  In call to configurable')[0]
    message = _readable(message)
    show_error(f'flan-jax {command}: error: {message}')
    return peers.leave(2, message)
  except KeyboardInterrupt:
    if debug:
      traceback.print_exc()
    show_error(f'flan-jax {command}: interrupted')
    return peers.leave(130, 'interrupted')
  except Exception as error:
    problem = disk.problem(error)
    if problem is None:
      peers.leave_after(error)
      raise
    if debug:
      traceback.print_exc()
    problem = _readable(problem)
    show_error(f'flan-jax {command}: error: {problem}')
    return peers.leave(2, problem)


def _readable(message: str) -> str:
  """Returns a message without control characters and endless lines.

  It may quote what a user typed or a file holds.
  """
  lines = [
    ''.join(c if c.isprintable() else repr(c)[1:-1] for c in line)
    for line in message.split('\n')
  ]
  return '\n'.join(
    line
    if len(line) <= _LONGEST_LINE
    else f'{line[: _LONGEST_LINE // 2]} … {line[-_LONGEST_LINE // 2 :]}'
    for line in lines
  )


def _usage() -> list[str]:
  return [
    'flan-jax COMMAND [--help] [--debug] [flags]',
    '',
    *(f'  {name:13} {what}' for name, what in COMMANDS.items()),
    '',
    f'Start with `{_EXAMPLE}`.',
    '`flan-jax COMMAND --help` lists the flags of a command; --debug shows the',
    'traceback of an error.',
  ]


def _run(command: str, argv: Sequence[str]) -> int:
  if command not in COMMANDS:
    raise ConfigError(
      f'no command {command!r}; the commands are {", ".join(COMMANDS)}'
    )
  if command == 'help':
    show(command_help.describe(argv))
    return 0
  if command not in _GIN:
    if _asks_for_help(argv):
      command_flags.parser(command).parse_args(['--help'])
    name = MODULES.get(command, command)
    return importlib.import_module(f'flan_jax.runs.{name}').main(argv)
  _run_with_gin(command, argv)
  return 0


def _asks_for_help(argv: Sequence[str]) -> bool:
  """Returns whether the flags are asked for, which are found without JAX.

  `inspect --cache` has flags of its own.
  """
  own = argv[: argv.index('--')] if '--' in argv else argv
  return bool({'-h', '--help'} & set(own)) and '--cache' not in own


def _run_with_gin(command: str, argv: Sequence[str]) -> None:
  """Parses flags and gin files, and calls the function that gin binds."""
  parser = flags.command_parser(command, COMMANDS[command])
  parser.more_help = functools.partial(command_help.macros_of, command)
  arguments, parsed = flags.parse_gin(parser, argv)
  if command in MULTIPROCESS:
    flags.join_processes(parsed)
    stop_signals.listen()  # JAX installs a handler of its own.
  name = MODULES.get(command, command)
  arguments = config.import_models(arguments, command)
  config.prepare(arguments, name)
  config.check_callable(name)
  check_buckets(config.bucket_paths())
  function = getattr(importlib.import_module(f'flan_jax.runs.{name}'), name)
  given = {k: v for k, v in vars(parsed).items() if v is not None}
  own = {name: given[name] for name in _OWN_FLAGS if name in given}
  if command != 'cache':
    own['arguments'] = arguments  # For the child that makes the cache.
  function(dry_run=parsed.dry_run, **own)
