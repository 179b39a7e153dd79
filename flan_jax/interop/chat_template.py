"""Turns the chat template of a model into a PROMPT_FORMAT."""

from collections.abc import Mapping
import pathlib
from typing import Any

from flan_jax.vocabulary.hugging_face import read_config, token_name

# Takes the place of the input while a template is rendered.
_MARK = '\x00input\x00'
CHAT_TEMPLATE = 'chat_template.jinja'


def chat_prompt_format(folder: pathlib.Path, adds_bos: bool) -> str | None:
  """Returns the chat template of a tokenizer as a PROMPT_FORMAT, or None.

  Args:
    folder: Folder of the tokenizer.
    adds_bos: Whether sequences start with the BOS token anyway, so that it is
      left out.

  Returns:
    The template of a single user message, with '{input}' in its place, followed
    by the generation prompt. None if there is no template, it cannot be
    rendered, or Jinja is not installed.
  """
  config = read_config(folder)
  template = config.get('chat_template')
  if (folder / CHAT_TEMPLATE).is_file():
    template = (folder / CHAT_TEMPLATE).read_text(encoding='utf-8')
  if not isinstance(template, str):
    return None
  text = _render(template, config)
  if text is None or text.count(_MARK) != 1:
    return None
  bos = token_name(config, 'bos_token')
  if adds_bos and bos:
    text = text.removeprefix(bos)
  return text.replace(_MARK, '{input}')


def _render(template: str, config: Mapping[str, Any]) -> str | None:
  try:
    import jinja2
    import jinja2.sandbox
  except ImportError:
    return None
  # Templates are untrusted programs.
  environment = jinja2.sandbox.ImmutableSandboxedEnvironment(
    trim_blocks=True, lstrip_blocks=True
  )
  names = ('bos_token', 'eos_token', 'unk_token', 'pad_token')
  tokens = {name: token_name(config, name) or '' for name in names}
  messages = [{'role': 'user', 'content': _MARK}]
  try:
    return environment.from_string(template).render(
      messages=messages, add_generation_prompt=True, **tokens
    )
  # Templates may call functions that only transformers defines.
  except (jinja2.TemplateError, TypeError):
    return None
