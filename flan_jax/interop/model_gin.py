"""The gin file of an imported model."""

import ast
import contextlib
import dataclasses
import pathlib
import re

from etils import epath

from flan_jax.errors import ConfigError
from flan_jax.model import DecoderConfig

NAME = 'model.gin'
_PROMPT_FORMAT = re.compile(r'^PROMPT_FORMAT = (.+)$', re.MULTILINE)

_TEXT = """\
# {title}
#
# Overrides the defaults of a run file:
#   flan-jax train --gin_file=runs/train.gin --gin_file={path} …

INITIAL_CHECKPOINT_PATH = {folder!r}
VOCABULARY = {folder!r}

# Choose by the untuned model's score on validation rows.
PROMPT_FORMAT = '{{input}}\\n'
EXEMPLAR_SEPARATOR = '\\n\\n'
{chat}
DROPOUT_RATE = 0.0
COMPUTE_DTYPE = 'float32'

{bindings}
DecoderConfig.dropout_rate = %DROPOUT_RATE
DecoderConfig.compute_dtype = %COMPUTE_DTYPE
"""


def write(
  folder: pathlib.Path, title: str, config: DecoderConfig, chat: str | None
) -> pathlib.Path:
  """Writes model.gin into the folder of an imported model.

  What the model states is untrusted, and gin files are code: it enters the file
  as literals of Python, or in comments without control characters.

  Args:
    folder: Folder with the checkpoint and the tokenizer.
    title: One line that describes the model.
    config: Shape of the decoder.
    chat: The chat template as a PROMPT_FORMAT, for a comment, or None.

  Returns:
    Path of the file.
  """
  folder = folder.absolute()
  path = folder / NAME
  choice = f'# PROMPT_FORMAT = {chat!r}  # chat template\n' if chat else ''
  path.write_text(
    _TEXT.format(
      title=_one_line(title),
      path=_one_line(str(path)),
      folder=str(folder),
      chat=choice,
      bindings='\n'.join(_bindings(config)),
    ),
    encoding='utf-8',
  )
  return path


def prompt_format(folder: epath.Path) -> str:
  """Returns the PROMPT_FORMAT that the gin file in a folder sets.

  Raises:
    ConfigError: There is no such file, or it sets none.
  """
  path = folder / NAME
  written = _PROMPT_FORMAT.findall(path.read_text()) if path.exists() else []
  with contextlib.suppress(ValueError, SyntaxError):
    if written and isinstance(found := ast.literal_eval(written[-1]), str):
      return found
  raise ConfigError(
    f'{folder} holds an imported model, and {NAME} beside it does not say its '
    "PROMPT_FORMAT: name one, such as '{input}\\n'"
  )


def _one_line(text: str) -> str:
  """Returns a text for a comment, which a line break would end."""
  return ''.join(c if c.isprintable() else '\ufffd' for c in text)


def _bindings(config: DecoderConfig) -> list[str]:
  values = {f: getattr(config, f.name) for f in dataclasses.fields(config)}
  return [
    f'DecoderConfig.{field.name} = {value!r}'
    for field, value in values.items()
    if value != field.default
  ]
