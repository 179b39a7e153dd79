"""Short flags for what is set most often; each stands for a macro or gin file.

One table says what they stand for. They change nothing else: with one of them,
the run file of the command need not be named.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import os
import re

from flan_jax.errors import ConfigError, UserError
from flan_jax.runtime.paths import user_path

EVAL = 'eval'
MIXTURE, MODEL, FEWSHOT = '--mixture', '--model', '--num_fewshot'
_NAME_MACRO, _CHECKPOINT = 'MIXTURE_OR_TASK_NAME', 'CHECKPOINT_PATH'
_MODEL_FILE = 'model.gin'  # What `flan-jax import` writes.
# Before a model in the place of a gin file: `config.import_models` imports it.
IMPORT = 'import:'
_PACKAGE = 'package:'
# Suffixes that follow the number of exemplars in a name.
_LAST = ('plain', 'named', 'rank')
_SHOTS = re.compile(r'(?:\d+|fit)shot')

# Command -> the shipped file with its defaults.
RUN_FILES = {
  'train': 'runs/train.gin',
  'prompt-tune': 'runs/prompt_tune.gin',
  'eval': 'runs/eval.gin',
  'infer': 'runs/infer.gin',
  'serve': 'runs/serve.gin',
  'cache': 'runs/cache.gin',
  'plan': 'runs/plan.gin',
  'study': 'runs/study.gin',
}


@dataclasses.dataclass(frozen=True)
class EverydayFlag:
  """A flag, and what it stands for.

  Attributes:
    flag: The flag.
    metavar: Its value in help texts.
    meaning: What it sets.
    macros: Command that takes it -> macro that it sets; '' if it sets none by
      itself.
  """

  flag: str
  metavar: str
  meaning: str
  macros: Mapping[str, str]

  @property
  def key(self) -> str:
    return self.flag.removeprefix('--')


_TRAIN = ('train', 'prompt-tune')
_ASK = ('eval', 'infer', 'serve')

FLAGS = (
  EverydayFlag(
    MODEL,
    'MODEL',
    'a shipped model file such as tiny, a gin file, or a pretrained model, '
    'which eval evaluates: a Hugging Face folder, a GGUF file, package:NAME, '
    'or a folder that `flan-jax import` wrote',
    dict.fromkeys((*_TRAIN, *_ASK), ''),
  ),
  EverydayFlag(
    MIXTURE,
    'NAME',
    'mixture or task',
    dict.fromkeys((*_TRAIN, *_ASK, 'cache'), _NAME_MACRO),
  ),
  EverydayFlag(
    '--steps',
    'N',
    'steps of the whole run',
    dict.fromkeys(_TRAIN, 'TRAIN_STEPS'),
  ),
  EverydayFlag(
    '--limit',
    'N',
    'most rows of a subset that are evaluated or answered',
    dict.fromkeys((*_TRAIN, 'eval', 'infer'), 'MAX_EVAL_ROWS'),
  ),
  EverydayFlag(
    FEWSHOT,
    'N',
    'exemplars before each example: .Nshot in the name of the mixture',
    dict.fromkeys(_ASK, ''),
  ),
  EverydayFlag(
    '--out',
    'PATH',
    'where results are written',
    {**dict.fromkeys((*_TRAIN, 'eval'), 'MODEL_DIR'), 'infer': 'OUTPUT'},
  ),
)


@dataclasses.dataclass(frozen=True)
class Expanded:
  """What flags stand for.

  Attributes:
    gin_files: Files that precede those of the user.
    macros: Macro -> its value, as the user writes it.
  """

  gin_files: tuple[str, ...]
  macros: Mapping[str, str]


def of_command(command: str) -> list[EverydayFlag]:
  """Returns the flags that a command takes."""
  return [one for one in FLAGS if command in one.macros]


def expand(
  command: str,
  values: Mapping[str, Sequence[str]],
  given: Mapping[str, str],
  gin_files: Sequence[str],
) -> Expanded:
  """Returns what the everyday flags of a command line stand for.

  Args:
    command: The command.
    values: Key of a flag -> its values, one for each time that it is given.
    given: Macro -> its value, as set by other flags.
    gin_files: The gin files that are named.

  Raises:
    ConfigError: One thing is set twice, to different values.
    UserError: There is no such model.
  """
  single = {}
  for key, found in values.items():
    if len(set(found)) > 1:
      raise _twice(f'--{key}={found[0]}', f'--{key}={found[1]}')
    single[key] = found[0]
  if not single:
    return Expanded((), {})
  macros = {}
  for one in of_command(command):
    macro = one.macros[command]
    if macro and one.key in single:
      macros[macro] = single[one.key]
      if given.get(macro, macros[macro]) != macros[macro]:
        raise _twice(
          f'{one.flag}={macros[macro]}', f'--gin.{macro}={given[macro]}'
        )
  files = [RUN_FILES[command]]
  if 'model' in single:
    files.append(_model_file(single['model'], gin_files))
    imported = os.path.basename(files[-1]) == _MODEL_FILE
    if command == EVAL and imported and _CHECKPOINT not in given:
      macros[_CHECKPOINT] = os.path.dirname(files[-1])
  if 'num_fewshot' in single:
    name = macros.get(_NAME_MACRO, given.get(_NAME_MACRO))
    macros[_NAME_MACRO] = _with_shots(name, single['num_fewshot'])
  return Expanded(tuple(files), macros)


def _twice(one: str, other: str) -> ConfigError:
  return ConfigError(f'{one} and {other} set the same: leave one of them out')


def _model_file(model: str, gin_files: Sequence[str]) -> str:
  """Returns the gin file of a model.

  Raises:
    ConfigError: Another model file is named as well.
    UserError: There is none; says what to do.
  """
  path = user_path(model)
  if model.endswith('.gin'):
    found = model
  elif model.startswith(_PACKAGE) or path.suffix == '.gguf':
    found = f'{IMPORT}{model}'
  elif not path.is_dir():
    if '/' in model:
      raise UserError(f'--model={model}: there is no such folder')
    found = f'models/{model}.gin'
  elif (path / _MODEL_FILE).is_file():
    found = str(path / _MODEL_FILE)
  else:
    found = f'{IMPORT}{model}'
  for other in gin_files:
    folder, name = os.path.split(other)
    is_model = os.path.basename(folder) == 'models' or name == _MODEL_FILE
    if is_model and other != found:
      raise _twice(f'--model={model}', f'--gin_file={other}')
  return found


def _with_shots(name: str | None, shots: str) -> str:
  """Returns a name with a number of exemplars.

  >>> _with_shots('rte.t3.plain', '5'), _with_shots('flan_eval_nli', '0')
  ('rte.t3.5shot.plain', 'flan_eval_nli')

  Raises:
    ConfigError: It has another number, is missing, or is a list of names.
  """
  if not re.fullmatch(r'\d{1,2}', shots):
    raise ConfigError(f'{FEWSHOT}={shots} must be an integer from 0 to 16')
  if not name or not name[0].isalpha():
    raise ConfigError(f'{FEWSHOT}={shots} needs one name, in {MIXTURE}')
  number = int(shots)
  words = name.split('.')
  wanted = f'{number}shot'
  for word in filter(_SHOTS.fullmatch, words):
    if word != wanted:
      raise _twice(f'{FEWSHOT}={shots}', f'.{word} of {name}')
    return name
  place = next((n for n, w in enumerate(words) if w in _LAST), len(words))
  return '.'.join([*words[:place], *[wanted] * (number > 0), *words[place:]])
