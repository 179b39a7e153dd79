"""Prompts from a file, read and checked before anything is computed."""

from collections.abc import Sequence
import dataclasses
import json
import os
import pathlib
from typing import Any

from flan_jax.cache.cached_split import Framing
from flan_jax.errors import UserError
from flan_jax.evaluation.answers import PROMPT, RESERVED
from flan_jax.vocabulary.base import Vocabulary


class PromptError(UserError):
  """A prompt that cannot be read; names file, line and mend."""


@dataclasses.dataclass(frozen=True)
class Prompt:
  """One prompt.

  Attributes:
    place: File and line, as `prompts.txt:3`.
    fields: What its line says: its text under 'prompt', and what is carried
      through to its answer.
  """

  place: str
  fields: dict[str, Any]

  @property
  def text(self) -> str:
    return self.fields[PROMPT]


def read_prompts(path: str | os.PathLike) -> list[Prompt]:
  """Reads a text file with a prompt a line, or `.jsonl` with an object a line.

  Args:
    path: The file, in UTF-8. Empty lines at its end are left out.

  Raises:
    PromptError: there is no such file, it has no prompt, or a line is none.
  """
  path = pathlib.Path(path).expanduser()
  if not path.is_file():
    raise PromptError(f'PROMPTS: there is no file {path}')
  lines = path.read_bytes().split(b'\n')
  while lines and not lines[-1].strip():
    lines.pop()
  if not lines:
    raise PromptError(f'{path} is empty: write a prompt a line')
  parse = _object if path.suffix == '.jsonl' else _plain
  return [
    Prompt(place, parse(_text(line, place), place))
    for line, place in zip(
      lines, (f'{path}:{n + 1}' for n in range(len(lines))), strict=True
    )
  ]


def _text(line: bytes, place: str) -> str:
  try:
    text = line.decode('utf-8-sig').removesuffix('\r')
  except UnicodeDecodeError as error:
    raise PromptError(f'{place}: not in UTF-8: {error.reason}') from error
  if not text.strip():
    raise PromptError(f'{place}: empty; remove the line')
  return text


def _plain(text: str, place: str) -> dict[str, Any]:
  del place
  return {PROMPT: text}


def _object(text: str, place: str) -> dict[str, Any]:
  try:
    fields = json.loads(text)
  except json.JSONDecodeError as error:
    raise PromptError(
      f'{place}: no JSON: {error.msg} at column {error.colno}; a .jsonl file '
      f'has an object a line, a prompt with line breaks in it written \\n'
    ) from error
  if not isinstance(fields, dict) or PROMPT not in fields:
    keys = f', only {", ".join(fields)}' if isinstance(fields, dict) else ''
    raise PromptError(
      f'{place}: no key {PROMPT!r}{keys}: write {{"{PROMPT}": "…"}}'
    )
  if not isinstance(fields[PROMPT], str):
    raise PromptError(
      f'{place}: {PROMPT!r} is {json.dumps(fields[PROMPT])[:40]}: write text, '
      'in quotes'
    )
  for key in RESERVED:
    if key in fields:
      raise PromptError(
        f'{place}: the answer is written under {key!r}: rename this key'
      )
  try:
    json.dumps(fields, ensure_ascii=False).encode()
  except UnicodeEncodeError as error:
    raise PromptError(
      f'{place}: half of a surrogate pair (\\ud800 to \\udfff) is no text: '
      'remove it'
    ) from error
  return fields


def prompt_tokens(
  prompts: Sequence[Prompt],
  vocabulary: Vocabulary,
  framing: Framing,
  longest: int,
) -> list[list[int]]:
  """Returns the tokens of prompts, as those of an evaluation.

  Args:
    prompts: What is asked.
    vocabulary: Tokenizes.
    framing: What starts a prompt, and separates it from its answer.
    longest: Most tokens of one, with these.

  Raises:
    PromptError: one is longer, or has no token at all.
  """
  found = []
  for prompt in prompts:
    tokens = framing.prompt(vocabulary.encode(prompt.text))
    if not tokens:
      raise PromptError(f'{prompt.place}: no token to go on from; write one')
    if len(tokens) > longest:
      raise PromptError(
        f'{prompt.place}: {len(tokens)} tokens with what starts and ends a '
        f"prompt, and the 'inputs' of TASK_FEATURE_LENGTHS are {longest}: "
        'shorten it, or raise them'
      )
    found.append(tokens)
  return found
