"""Prompts from a file, checked before anything is computed."""

from collections.abc import Sequence
import dataclasses
import json
import os
from typing import Any

from flan_jax.cache.framing import Framing
from flan_jax.errors import UserError
from flan_jax.runtime.json_text import parse_json, read_bytes, without_repeats
from flan_jax.runtime.paths import user_path
from flan_jax.vocabulary.base import Vocabulary

# Keys of an answer, besides those of its prompt or of its row.
PROMPT, GENERATED, ENDED = 'prompt', 'generated', 'ended'
_JSON_LINES = (
  'write one object per line, with line breaks in a prompt written as \\n'
)


class PromptError(UserError):
  """A prompt that cannot be read; names file, line and fix."""


@dataclasses.dataclass(frozen=True)
class Prompt:
  """One prompt.

  Attributes:
    place: File and line, such as `prompts.txt:3`.
    fields: The text under 'prompt', and keys to copy to the answer.
  """

  place: str
  fields: dict[str, Any]


def read_prompts(path: str | os.PathLike) -> list[Prompt]:
  """Reads a text file with one prompt per line, or a `.jsonl` file of objects.

  The file is in UTF-8. Empty lines at its end are ignored.

  Raises:
    PromptError: the file is missing or empty, or a line is not a prompt.
  """
  path = user_path(path)
  lines = read_bytes(path, PromptError).split(b'\n')
  while lines and not lines[-1].strip():
    lines.pop()
  if not lines:
    raise PromptError(f'{path} is empty: write one prompt per line')
  prompts, jsonl = [], path.suffix == '.jsonl'
  for number, line in enumerate(lines, start=1):
    place = f'{path}:{number}'
    text = _text(line, place)
    fields = _object(text, place) if jsonl else {PROMPT: text}
    prompts.append(Prompt(place, fields))
  return prompts


def _text(line: bytes, place: str) -> str:
  try:
    text = line.decode('utf-8-sig').removesuffix('\r')
  except UnicodeDecodeError as error:
    raise PromptError(f'{place}: not UTF-8: {error.reason}') from error
  if not text.strip():
    raise PromptError(f'{place}: empty line; remove it')
  return text


def _object(text: str, place: str) -> dict[str, Any]:
  hook = without_repeats(place, PromptError)
  fields = parse_json(text, place, PromptError, hook, _JSON_LINES)
  if not isinstance(fields, dict) or PROMPT not in fields:
    keys = (
      f', only {", ".join(fields)[:80]}' if isinstance(fields, dict) else ''
    )
    raise PromptError(
      f'{place}: no key {PROMPT!r}{keys}; write {{"{PROMPT}": "…"}}'
    )
  if not isinstance(fields[PROMPT], str):
    raise PromptError(
      f'{place}: {PROMPT!r} is {json.dumps(fields[PROMPT])[:40]}; it must be a '
      'string'
    )
  for key in fields.keys() & {GENERATED, ENDED}:
    raise PromptError(
      f'{place}: {key!r} is a key of the answer; rename it in the prompt'
    )
  try:
    json.dumps(fields, ensure_ascii=False).encode()
  except UnicodeEncodeError as error:
    raise PromptError(
      f'{place}: an unpaired surrogate (\\ud800 to \\udfff) is not text; '
      'remove it'
    ) from error
  return fields


def prompt_tokens(
  prompts: Sequence[Prompt],
  vocabulary: Vocabulary,
  framing: Framing,
  longest: int,
) -> list[list[int]]:
  """Returns the tokens of prompts, framed as in an evaluation.

  Raises:
    PromptError: a framed prompt has more than `longest` tokens, or none.
  """
  found = []
  for prompt in prompts:
    tokens = framing.prompt(vocabulary.encode(prompt.fields[PROMPT]))
    if not tokens:
      raise PromptError(f'{prompt.place}: a prompt without tokens; write some')
    if len(tokens) > longest:
      raise PromptError(
        f'{prompt.place}: the prompt has {len(tokens)} tokens, more than the '
        f"{longest} of 'inputs' in TASK_FEATURE_LENGTHS; shorten it or raise "
        'that'
      )
    found.append(tokens)
  return found
