"""The flags of the commands."""

import argparse
import ast
from collections.abc import Callable, Sequence
import contextlib
import dataclasses
from typing import Annotated, Any, NoReturn

from flan_jax import everyday_flags
from flan_jax.errors import ConfigError
from flan_jax.everyday_flags import RUN_FILES
from flan_jax.setting_types import Count, CountOrZero, Only, refusal

# The modules of `flan_jax.runs` that are not named as their command.
MODULES = {
  'prompt-tune': 'prompt_tune',
  'eval': 'evaluate',
  'import-data': 'import_data',
  'new-task': 'new_task',
  'import': 'import_weights',
  'export': 'export_weights',
  'report': 'make_report',
  'render': 'render_text',
}
# Commands that several processes can run together.
MULTIPROCESS = ('train', 'prompt-tune', 'eval', 'infer')
# Commands that train.
TRAINING = ('train', 'prompt-tune')
_TASK_MODULE = (
  'module that registers your datasets, installed or in the working directory; '
  'may be repeated'
)
_Port = Annotated[
  int, Only('a port from 0 to 65535', lambda port: 0 <= port < 2**16)
]


def integer(kind: Any = Count) -> Callable[[str], int]:
  """Returns the `type` of a flag whose values an annotation limits.

  >>> integer()('3')
  3
  """

  def parse(text: str) -> int:
    try:
      value = int(text)
    except ValueError:
      value = text
    words = refusal(kind, value)
    if words is not None:
      raise argparse.ArgumentTypeError(f'{text[:80]!r} is not {words}')
    return value

  return parse


class FlagParser(argparse.ArgumentParser):
  """Parses the flags of a command; a mistake raises ConfigError."""

  def __init__(self, command: str, description: str):
    super().__init__(
      prog=f'flan-jax {command}', description=description, allow_abbrev=False
    )
    self.command = command
    # Returns what follows the flags in the help text.
    self.more_help: Callable[[], str] | None = None

  def format_help(self) -> str:
    more = '' if self.more_help is None else f'\n{self.more_help()}\n'
    return super().format_help() + more

  def error(self, message: str) -> NoReturn:
    raise ConfigError(f'{message}; see {self.prog} --help')

  def parse_known_args(self, args=None, namespace=None):
    """Parses flags as usual; an empty one, which no flag takes, is an error."""
    parsed, rest = super().parse_known_args(args, namespace)
    for action in self._actions:
      value = getattr(parsed, action.dest, None)
      for text in value if isinstance(value, list) else [value]:
        if isinstance(text, str) and not text.strip():
          name = (*action.option_strings, action.dest)[0]
          self.error(f'{name} is empty: it needs a value')
    return parsed, rest

  def add_data_flags(self, default: str | None = None) -> None:
    """Adds the flags that say where data and datasets are.

    Args:
      default: The data directory without the flag; None for that of TFDS.
    """
    shown = default or 'that of TFDS'
    self.add_argument(
      '--data_dir',
      default=default,
      help=f'TFDS data directory (default: {shown})',
    )
    self.add_task_module()

  def add_task_module(self) -> None:
    """Adds the flag that names modules of the user's datasets."""
    self._add_list('--task_module', _TASK_MODULE)

  def add_everyday_flags(self) -> None:
    """Adds the everyday flags of the command, which `parse_gin` expands."""
    group = self.add_argument_group(
      'everyday flags',
      f'With one of them, {RUN_FILES[self.command]} need not be named.',
    )
    for one in everyday_flags.of_command(self.command):
      macro = one.macros[self.command]
      stands = f' (--gin.{macro})' if macro else ''
      group.add_argument(
        one.flag,
        action='append',
        default=[],
        metavar=one.metavar,
        help=f'{one.meaning}{stands}',
      )

  def add_gin_flags(self) -> None:
    """Adds the flags that `parse_gin` reads."""
    self._add_list(
      '--gin_file',
      'gin file, searched in the working directory, among the shipped files '
      'and in --gin_search_paths; later files override earlier ones',
    )
    self._add_list('--gin_bindings', argparse.SUPPRESS)
    self._add_list(
      '--gin.NAME',
      'sets a macro (--gin.TRAIN_STEPS=100) or a parameter '
      '(--gin.OptimizerConfig.warmup_steps=10)',
      metavar='VALUE',
    )
    self._add_list(
      '--gin_search_paths', 'more folders of gin files', metavar='DIR[,DIR]'
    )
    self.add_task_module()
    self.add_argument(
      '--template_set',
      metavar='FILE',
      help='templates, in JSON or as a Python dictionary, that replace those '
      "of the datasets it names; 'continuation' for the shipped set for models "
      "without instruction tuning (with --gin.PROMPT_FORMAT='{input} ')",
    )
    self.add_argument(
      '--allow_missing',
      action='store_true',
      help='leave out data that is not prepared or has no rows; results '
      'list it',
    )
    self.add_argument(
      '--pipeline_options',
      metavar='OPTIONS',
      help='options of the Apache Beam runner that makes the cache, such as '
      "'--runner=DataflowRunner'",
    )
    self.add_argument(
      '--dry_run', action='store_true', help='check everything, compute nothing'
    )

  def _add_list(self, flag: str, text: str, metavar: str | None = None) -> None:
    """Adds a flag that may be repeated."""
    self.add_argument(
      flag, action='append', default=[], help=text, metavar=metavar
    )


@dataclasses.dataclass(frozen=True)
class Arguments:
  """The gin configuration that the command line asks for.

  Attributes:
    gin_files: Files, in order.
    bindings: Gin bindings that override them.
    search_paths: More folders in which gin files are searched.
    task_modules: Modules that register users' datasets.
    template_set: File of templates that replace those of some datasets.
  """

  gin_files: tuple[str, ...] = ()
  bindings: tuple[str, ...] = ()
  search_paths: tuple[str, ...] = ()
  task_modules: tuple[str, ...] = ()
  template_set: str | None = None

  def flags(self) -> list[str]:
    """Returns the flags that give the same arguments."""
    repeated = {
      'gin_file': self.gin_files,
      'gin_bindings': self.bindings,
      'gin_search_paths': self.search_paths,
      'task_module': self.task_modules,
      'template_set': [self.template_set] if self.template_set else [],
    }
    return [
      f'--{name}={x}' for name, values in repeated.items() for x in values
    ]


def override(name: str, value: str) -> str:
  """Turns `--gin.NAME=VALUE` into a binding; bare words become strings.

  >>> override('TRAIN_STEPS', '100'), override('MODEL_DIR', '/tmp')
  ('TRAIN_STEPS = 100', "MODEL_DIR = '/tmp'")
  """
  try:
    ast.literal_eval(value)
  except (
    ValueError,
    TypeError,
    SyntaxError,
    RecursionError,
    MemoryError,
  ):
    if not value.startswith(('%', '@')):
      value = repr(value)
  return f'{name} = {value}'


def parse_gin(
  parser: FlagParser, argv: Sequence[str]
) -> tuple[Arguments, argparse.Namespace]:
  """Parses the flags of a command that gin configures.

  Returns:
    The arguments, and all flags but `--gin.NAME=VALUE`.

  Raises:
    ConfigError: there is no such flag.
  """
  parsed, rest = parser.parse_known_args(list(argv))
  bindings = list(parsed.gin_bindings)
  for flag in rest:
    name, equals, value = flag.partition('=')
    if not name.startswith('--gin.'):
      raise ConfigError(f'unknown flag {flag!r}, see {parser.prog} --help')
    if not equals:
      raise ConfigError(f'{flag} needs a value, as in {flag}=VALUE')
    bindings.append(override(name.removeprefix('--gin.'), value))
  keys = [one.key for one in everyday_flags.of_command(parser.command)]
  values = {key: getattr(parsed, key, None) for key in keys}
  expanded = everyday_flags.expand(
    parser.command,
    {key: found for key, found in values.items() if found},
    dict(map(_as_written, bindings)),
    parsed.gin_file,
  )
  bindings += [override(*macro) for macro in expanded.macros.items()]
  if parsed.allow_missing:
    bindings.append(override('ALLOW_MISSING', 'True'))
  if parsed.pipeline_options is not None:
    bindings.append(f'PIPELINE_OPTIONS = {parsed.pipeline_options!r}')
  arguments = Arguments(
    gin_files=(*expanded.gin_files, *parsed.gin_file),
    bindings=tuple(bindings),
    search_paths=tuple(
      path for flag in parsed.gin_search_paths for path in flag.split(',')
    ),
    task_modules=tuple(parsed.task_module),
    template_set=parsed.template_set,
  )
  return arguments, parsed


def _as_written(binding: str) -> tuple[str, str]:
  """Returns name and value of a binding as `--gin.NAME=VALUE` has them.

  >>> _as_written("MODEL_DIR = '/tmp'"), _as_written('TRAIN_STEPS = 100')
  (('MODEL_DIR', '/tmp'), ('TRAIN_STEPS', '100'))
  """
  name, _, value = (part.strip() for part in binding.partition('='))
  with contextlib.suppress(
    ValueError, SyntaxError, RecursionError, MemoryError
  ):
    literal = ast.literal_eval(value)
    value = literal if isinstance(literal, str) else value
  return name, value


def command_parser(command: str, description: str) -> FlagParser:
  """Returns the parser of a command that gin configures."""
  parser = FlagParser(command, description)
  parser.add_everyday_flags()
  parser.add_gin_flags()
  if command in MULTIPROCESS:
    add_process_flags(parser)
  if command in TRAINING:
    parser.add_argument(
      '--profile',
      metavar='FIRST:LAST',
      help='write a JAX profile of these steps to MODEL_DIR/profile',
    )
  if command == 'cache':
    parser.add_argument(
      '--verbose', action='store_true', help='print a line for each split'
    )
  if command == 'serve':
    add_serve_flags(parser)
  return parser


def add_process_flags(parser: FlagParser) -> None:
  """Adds the flags that `join_processes` reads."""
  parser.add_argument(
    '--multiprocess',
    action=argparse.BooleanOptionalAction,
    help='join the other processes of a TPU pod, a GKE, SLURM or Open MPI job; '
    'the default where there are any',
  )
  parser.add_argument(
    '--coordinator_address',
    metavar='HOST:PORT',
    help='with the next two flags, join processes anywhere else',
  )
  parser.add_argument('--process_count', metavar='N', type=integer())
  parser.add_argument('--process_index', metavar='I', type=integer(CountOrZero))
  parser.add_argument(
    '--coordinator_timeout',
    metavar='SECONDS',
    type=float,
    default=300.0,
    help='longest wait for the other processes; default 300',
  )
  parser.add_argument(
    '--log_all_processes',
    action='store_true',
    help='print the log of all processes, not of the first alone',
  )


def add_serve_flags(parser: FlagParser) -> None:
  """Adds the flags of `flan-jax serve`."""
  parser.add_argument(
    '--checkpoint',
    metavar='PATH',
    action='append',
    help='checkpoint or model directory to serve; may be repeated, to compare '
    'models of one shape',
  )
  parser.add_argument(
    '--host',
    help='address to listen on; default 127.0.0.1, which only this machine '
    'reaches',
  )
  parser.add_argument(
    '--port', type=integer(_Port), help='port to listen on; default 8000'
  )


def join_processes(flags: argparse.Namespace) -> None:
  """Joins the other processes of the run, if there are any.

  Raises:
    ConfigError: only some of the flags that name the processes are given, or
      the others are not found.
  """
  named = (flags.coordinator_address, flags.process_count, flags.process_index)
  given = [value is not None for value in named]
  if any(given) and not all(given):
    raise ConfigError(
      '--coordinator_address, --process_count and --process_index go together'
    )
  # An explicit address or --no-multiprocess needs no cluster.
  cluster = None
  if not all(given) and flags.multiprocess is not False:
    # It imports JAX.
    from flan_jax.runtime.pods import find_cluster

    cluster = find_cluster(flags.coordinator_timeout)
  if cluster is not None and cluster.count == 1:
    return
  if cluster is not None:
    named = (cluster.address, cluster.count, cluster.index)
  elif flags.multiprocess and not all(given):
    raise ConfigError(
      '--multiprocess: JAX sees no TPU pod, GKE, SLURM or Open MPI job: name '
      'the processes with --coordinator_address, --process_count and '
      '--process_index'
    )
  elif not all(given):
    return
  from flan_jax.runtime import processes
  from flan_jax.runtime.rendezvous import Meeting

  meeting = Meeting(*named, flags.coordinator_timeout)
  local_device = None if cluster is None else cluster.local_device
  processes.start(meeting, local_device, flags.log_all_processes)
  if cluster is not None:
    processes.log(
      f'joined {cluster.count} processes of a {cluster.name} job at '
      f'{cluster.address} (--no-multiprocess runs one alone)'
    )
