"""Runs the fenced code of a page, in its order, in one folder.

A comment in front of a fence says what a reader does not see:

  <!-- not run: REASON -->  its commands are not run; their flags, gin files and
                            settings are checked all the same
  <!-- file: NAME -->       the fence is the file NAME, for what follows it
"""

from collections.abc import Callable, Iterable, Iterator
import contextlib
import itertools
import json
import os
import pathlib
import re
import shlex
import subprocess
from unittest import mock

import gin
import pytest
from sybil import Document, Example, Region
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown.lexers import (
  DirectiveInHTMLCommentLexer,
  FencedCodeBlockLexer,
)

from flan_jax import config
from flan_jax.flags import FlagParser
from flan_jax.runs import launch
from tests.command_line import Cli
from tests.launching.launches import planned

# Other programs that a page may run here.
_PROGRAMS = ('cat', 'cp', 'head', 'ls', 'mkdir')
# A run as small as it can be. Later bindings win.
_TINY = (
  '--gin.DecoderConfig.num_layers=2',
  '--gin.DecoderConfig.d_model=64',
  '--gin.DecoderConfig.d_ff=256',
  '--gin.DecoderConfig.head_dim=16',
  '--gin.TRAIN_STEPS=2',
  '--gin.EVAL_PERIOD=2',
  '--gin.CHECKPOINT_PERIOD=2',
  '--gin.EVAL_EXAMPLES=0',
)
# What `…` stands for in a command.
_REST = (
  '--gin.MIXTURE_OR_TASK_NAME=rte',
  '--gin.EVAL_MIXTURE=None',
  '--gin.MODEL_DIR=model',
)
_MARKS = DirectiveInHTMLCommentLexer('not run|file')
_FENCES = FencedCodeBlockLexer(r'[^\n]*')


class Page:
  """A page whose fences run in the working directory."""

  def __init__(self, path: pathlib.Path, cli: Cli):
    self._cli = cli
    self._evaluators: dict[str, Callable[[Example], None]] = {
      'sh': self._shell,
      'python': PythonEvaluator(),
      'json': lambda example: json.loads(example.parsed) and None,
      'gin': _parse_gin,
      'text': lambda example: None,
    }
    self._document = Document.parse(str(path), self._marks, self._fences)

  def run(self) -> None:
    """Evaluates marks and fences; raises at the first that fails."""
    for example in self._document:
      try:
        example.evaluate()
      except Exception as error:
        error.add_note(f'the fence at {example.path}:{example.line}')
        raise
    assert not self._document.evaluators, 'a comment without a fence after it'

  def _marks(self, document: Document) -> Iterator[Region]:
    for region in _MARKS(document):
      kind = region.lexemes['directive']
      value = region.lexemes['arguments'].strip()
      assert value, f'{document.path}: {kind} of what?'
      after = document.text[region.end :]
      assert re.match(r'(--+>)?\n```', after), f'no fence follows {value!r}'
      mark = _Mark(self, kind, value)
      yield Region(region.start, region.end, value, mark.begin)

  def _fences(self, document: Document) -> Iterator[Region]:
    for region in _FENCES(document):
      language = region.lexemes['language']
      if language.startswith('{'):
        continue  # A directive of the site.
      assert language in self._evaluators, (
        f'{document.path}: a fence of {language or "no language"}: write '
        f'one of {", ".join(self._evaluators)} behind its backquotes'
      )
      source = region.lexemes['source']
      region.parsed = source
      region.evaluator = self._evaluators[language]
      yield region

  def _shell(self, example: Example) -> None:
    _check_shell(example.parsed)
    for words, output in _commands(example.parsed):
      program = os.path.basename(words[0])
      if program == 'flan-jax':
        out = self._flan_jax(words[1:])
      elif program in _PROGRAMS:
        out = subprocess.check_output(words, text=True)
      else:
        raise AssertionError(
          f'{shlex.join(words)}: a test cannot run this: put <!-- not run: '
          'REASON --> in front of the fence'
        )
      if output is not None:
        pathlib.Path(output).write_text(out)

  def _flan_jax(self, words: list[str]) -> str:
    if words[0] in ('train', 'eval', 'infer', 'prompt-tune'):
      words = [*words, *_TINY]
    with mock.patch.object(launch, 'plan_in_process', planned):
      return self._cli.check(*words)

  def check(self, example: Example) -> None:
    """Checks the syntax and the commands of a fence, without running it."""
    language = example.region.lexemes['language']
    if language == 'python':
      compile(example.parsed, example.path, 'exec')
    if language != 'sh':
      return
    _check_shell(example.parsed)
    for words, _ in _commands(example.parsed):
      if os.path.basename(words[0]) == 'flan-jax':
        self._check(words[1:])

  def _check(self, words: list[str]) -> None:
    if words[0] == 'launch':
      self._flan_jax(words)
      return
    if '…' in words:
      words = [*(word for word in words if word != '…'), *_REST]
    with _stopping_when_checked(), pytest.raises(_Checked):
      code, _, error = self._cli(*words)
      raise AssertionError(f'{shlex.join(words)}: {code}: {error}')


class _Mark:
  """What a comment says about the fence that follows it."""

  def __init__(self, page: Page, kind: str, value: str):
    self._page, self._kind, self._value = page, kind, value

  def begin(self, example: Example) -> None:
    example.document.push_evaluator(self.instead)

  def instead(self, example: Example) -> None:
    example.document.pop_evaluator(self.instead)
    if self._kind == 'file':
      path = pathlib.Path(self._value)
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_text(str(example.parsed), encoding='utf-8')
    else:
      self._page.check(example)


class _Checked(BaseException):
  """A command has checked its flags and settings."""


@contextlib.contextmanager
def _stopping_when_checked() -> Iterator[None]:
  """Has commands raise _Checked where they would begin to work."""

  prepare = config.prepare

  def prepare_only(*given: object) -> None:
    prepare(*given)
    raise _Checked

  def parse(parser: FlagParser, argv: Iterable[str]) -> None:
    super(FlagParser, parser).parse_args(argv)
    raise _Checked

  with (
    # Commands with flags of their own.
    mock.patch.object(FlagParser, 'parse_args', parse),
    # Those that gin configures.
    mock.patch.object(config, 'prepare', prepare_only),
    # One set of templates is applied in a process.
    mock.patch.object(config.template_set, 'apply', lambda path: None),
  ):
    yield


def _parse_gin(example: Example) -> None:
  gin.parse_config(str(example.parsed), skip_unknown=True)
  gin.clear_config()


def _check_shell(source: str) -> None:
  subprocess.run(['bash', '-n'], input=source, text=True, check=True)


def _commands(source: str) -> Iterator[tuple[list[str], str | None]]:
  """Yields the words of each command, and the file of its output."""
  for line in source.replace('\\\n', ' ').splitlines():
    lexer = shlex.shlex(line, posix=True, punctuation_chars=';&|<>')
    lexer.whitespace_split = True
    for joint, group in itertools.groupby(lexer, lambda x: x in ('&&', ';')):
      words, output = list(group), None
      if '>' in words:
        place = words.index('>')
        words, output = words[:place], words[place + 1]
      if not joint:
        yield words, output
