"""Turns the chat template of a model into a PROMPT_FORMAT, and back."""

from collections.abc import Mapping
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

from flan_jax.interop import template_child
from flan_jax.interop.output_folder import write_json
from flan_jax.runtime.json_text import read_text
from flan_jax.vocabulary.base import VocabularyError
from flan_jax.vocabulary.hugging_face import (
  TOKENIZER_CONFIG,
  TOKENS,
  read_config,
  token_name,
)

# Takes the place of the input while a template is rendered.
_MARK = '\x00input\x00'
CHAT_TEMPLATE = 'chat_template.jinja'
# The template of a PROMPT_FORMAT. The model was tuned on single answers.
_TEMPLATE = (
  '{% for message in messages %}'
  "{% if message['role'] == 'user' %}"
  "{{ BEFORE + message['content'] + AFTER }}"
  "{% elif message['role'] == 'assistant' %}"
  "{{ message['content'] + eos_token }}"
  '{% else %}'
  "{{ raise_exception('only user and assistant have messages') }}"
  '{% endif %}{% endfor %}'
)
# A longer one leaves no room in a prompt, in characters.
_LONGEST = 10_000


def chat_prompt_format(folder: pathlib.Path, adds_bos: bool) -> str | None:
  """Returns the chat template of a tokenizer as a PROMPT_FORMAT, or None.

  Args:
    folder: Folder of the tokenizer.
    adds_bos: Whether sequences start with the BOS token anyway, so that it is
      left out.

  Returns:
    The template of a single user message, with '{input}' in its place, followed
    by the generation prompt. None if there is no template, it cannot be
    rendered within limits of time and size, or Jinja is not installed.
  """
  config = read_config(folder)
  template = config.get('chat_template')
  if (folder / CHAT_TEMPLATE).is_file():
    template = read_text(folder / CHAT_TEMPLATE, VocabularyError)
  if not isinstance(template, str):
    return None
  text = _render(template, config)
  if len(text) > _LONGEST or text.count(_MARK) != 1:
    return None
  bos = token_name(config, 'bos_token')
  if adds_bos and bos:
    text = text.removeprefix(bos)
  return text.replace(_MARK, '{input}')


def write_chat_template(
  folder: pathlib.Path, prompt: str, adds_bos: bool
) -> None:
  """Makes the chat template of a tokenizer that of a PROMPT_FORMAT.

  A template that already yields this prompt stays: it may know of more, such as
  system messages.

  Args:
    folder: Folder of the tokenizer.
    prompt: The PROMPT_FORMAT.
    adds_bos: As for `chat_prompt_format`.
  """
  if chat_prompt_format(folder, adds_bos) == prompt:
    return
  (folder / CHAT_TEMPLATE).unlink(missing_ok=True)
  # Jinja reads the escapes of JSON, but not halves of pairs.
  before, after = (
    json.dumps(text, ensure_ascii=False) for text in prompt.split('{input}')
  )
  template = _TEMPLATE.replace('BEFORE', before).replace('AFTER', after)
  start = '{{ bos_token }}' if adds_bos else ''
  config = {**read_config(folder), 'chat_template': start + template}
  write_json(folder / TOKENIZER_CONFIG, config)


def _render(template: str, config: Mapping[str, Any]) -> str:
  """Renders a template in a process with limits; '' if that fails."""
  tokens = {name: token_name(config, name) or '' for name in TOKENS}
  messages = [{'role': 'user', 'content': _MARK}]
  names = {'messages': messages, 'add_generation_prompt': True, **tokens}
  # Not the working directory: a module there may be anyone's.
  path = [p for p in sys.path if p not in ('', os.getcwd())]
  given = {'path': path, 'template': template, 'names': names}
  try:
    done = subprocess.run(
      # Isolated: it takes its modules from the path that it is given.
      [sys.executable, '-I', template_child.__file__],
      input=json.dumps(given),
      capture_output=True,
      text=True,
      timeout=10 * template_child.SECONDS,
      check=False,
    )
  except subprocess.TimeoutExpired:
    return ''
  # A template may call functions that only transformers defines.
  return json.loads(done.stdout) if done.returncode == 0 else ''
