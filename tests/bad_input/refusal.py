"""What a refused command leaves: one line, exit code 2, and no files."""

import pathlib

from tests.command_line import Cli

NESTED = b'[' * 100_000
NESTED_OBJECTS = b'{"a":' * 100_000
DIGITS = b'[' + b'9' * 100_000 + b']'
# Texts that no reader of JSON may take, whatever the file is for.
NOT_JSON = {
  'empty': b'',
  'words': b'no JSON',
  'cut off': b'{"a": [1, 2',
  'nested lists': NESTED,
  'nested objects': NESTED_OBJECTS,
  'digits': DIGITS,
  'not UTF-8': b'{"a": "\xff\xfe"}',
  'zeros': bytes(100),
}
# JSON that is no object.
NO_OBJECT = {
  'a list': b'[1, 2]',
  'a number': b'12',
  'null': b'null',
  'a text': b'"x"',
}


def assert_refused(cli: Cli, *arguments: str, names: str) -> None:
  """Runs a command, which must be refused.

  Args:
    cli: The fixture.
    *arguments: Command and flags; `--out=out` is where it may write.
    names: What the line must contain: the file, or the key and what it must be.
  """
  before = _files(cli.folder)
  code, _, error = cli(*arguments)
  lines = [x for x in error.splitlines() if 'error: ' in x]
  assert code == 2, error[-2000:]
  assert len(lines) == 1, error[-2000:]
  assert error.splitlines()[-1] == lines[0]
  assert names in lines[0]
  assert lines[0].isprintable()
  assert len(lines[0]) < 1200
  assert 'Traceback' not in error
  assert _files(cli.folder) == before


def _files(folder: pathlib.Path) -> dict[str, int]:
  # Compiled programs and caches of data are for other commands too.
  return {
    str(path): path.lstat().st_size
    for path in folder.rglob('*')
    if 'compiled' not in path.parts
  }
