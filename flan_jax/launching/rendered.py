"""Fills in the templates of `launch/`."""

import functools
import pathlib
import re
import shlex
from typing import Any

import jinja2

from flan_jax.launching.job import Job

# What YAML keeps as it is in a block of text.
_PLAIN = re.compile(r'[\x20-\x7e\n]*')


def templates_folder() -> pathlib.Path:
  """Returns the folder of templates, in the package or beside it."""
  package = pathlib.Path(__file__).resolve().parents[1]
  installed = package / 'launch'
  return installed if installed.is_dir() else package.parent / 'launch'


def render(template: str, **values: Any) -> str:
  """Returns a template of `launch/` with values filled in.

  Args:
    template: Name of the file.
    **values: What it reads. `quoted` makes one word of the shell of a text,
      `joined` a command of a list, `block` a text of YAML.
  """
  return _environment().get_template(template).render(**values)


def host_script(job: Job) -> str:
  """Returns the script that runs the command on one machine."""
  return render('host.sh.j2', job=job)


@functools.cache
def _environment() -> jinja2.Environment:
  environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(templates_folder()),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
  )
  environment.filters |= {
    'quoted': shlex.quote,
    'joined': shlex.join,
    'block': yaml_block,
    'string': _yaml_string,
  }
  return environment


def yaml_block(text: str, indent: int) -> str:
  """Returns a text as a YAML value, readable if YAML keeps it.

  >>> print('script: ' + yaml_block('#!/bin/sh\\necho 1\\n', 2))
  script: |
    #!/bin/sh
    echo 1
  """
  readable = _PLAIN.fullmatch(text) and text[:1].strip() and text[-1:] == '\n'
  if not readable or text.endswith('\n\n'):
    return _yaml_string(text)
  lines = text.removesuffix('\n').split('\n')
  return '\n'.join(['|', *(f'{" " * indent}{line}' for line in lines)])


def _yaml_string(text: str) -> str:
  """Returns a text in quotes; JSON's would not do beyond 16 bits."""
  plain = set(map(chr, range(0x20, 0x7F))) - {'"', '\\'}
  escaped = (c if c in plain else f'\\U{ord(c):08x}' for c in text)
  return f'"{"".join(escaped)}"'
