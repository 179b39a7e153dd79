"""A chat template becomes what stands around the input, or nothing."""

import json

import pytest

from flan_jax.interop.chat_template import chat_prompt_format

pytest.importorskip('jinja2')

_TEMPLATE = (
  '{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}'
  '{{ eos_token }}\n{% endfor %}'
  '{% if add_generation_prompt %}<|assistant|>{% endif %}'
)


def _separator(folder, template, starts=False):
  config = {
    'bos_token': '<s>',
    'eos_token': {'content': '</s>'},
    'chat_template': template,
  }
  (folder / 'tokenizer_config.json').write_text(json.dumps(config))
  return chat_prompt_format(folder, starts)


def test_what_surrounds_the_input(tmp_path):
  separator = _separator(tmp_path, _TEMPLATE)
  assert separator == '<s><|user|>{input}</s>\n<|assistant|>'


def test_what_starts_a_sequence_is_not_said_twice(tmp_path):
  separator = _separator(tmp_path, _TEMPLATE, starts=True)
  assert separator == '<|user|>{input}</s>\n<|assistant|>'


def test_a_template_in_a_file_of_its_own(tmp_path):
  (tmp_path / 'chat_template.jinja').write_text('Q {{ messages[0].content }} A')
  assert _separator(tmp_path, None) == 'Q {input} A'


@pytest.mark.parametrize(
  'template',
  [
    None,
    '{{ raise_exception("no") }}',
    '{% broken',
    'It repeats: {{ messages[0].content }} {{ messages[0].content }}',
    # Templates are programs of others.
    '{{ messages.__class__.__mro__ }}{{ messages[0].content }}',
  ],
)
def test_what_cannot_be_rendered(template, tmp_path):
  assert _separator(tmp_path, template) is None
