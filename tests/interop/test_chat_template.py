"""A chat template becomes a PROMPT_FORMAT, or nothing."""

import json

import pytest

from flan_jax.interop.chat_template import chat_prompt_format

pytest.importorskip('jinja2')

_TEMPLATE = (
  '{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content }}'
  '{{ eos_token }}\n{% endfor %}'
  '{% if add_generation_prompt %}<|assistant|>{% endif %}'
)


def _prompt_format(folder, template, adds_bos=False):
  config = {
    'bos_token': '<s>',
    'eos_token': {'content': '</s>'},
    'chat_template': template,
  }
  (folder / 'tokenizer_config.json').write_text(json.dumps(config))
  return chat_prompt_format(folder, adds_bos)


def test_the_template_surrounds_the_input(tmp_path):
  assert _prompt_format(tmp_path, _TEMPLATE) == (
    '<s><|user|>{input}</s>\n<|assistant|>'
  )


def test_a_bos_token_that_is_added_anyway_is_left_out(tmp_path):
  found = _prompt_format(tmp_path, _TEMPLATE, adds_bos=True)
  assert found == '<|user|>{input}</s>\n<|assistant|>'


def test_a_template_in_a_separate_file(tmp_path):
  (tmp_path / 'chat_template.jinja').write_text('Q {{ messages[0].content }} A')
  assert _prompt_format(tmp_path, None) == 'Q {input} A'


@pytest.mark.parametrize(
  'template',
  [
    None,
    '{{ raise_exception("no") }}',
    '{% broken',
    'It repeats: {{ messages[0].content }} {{ messages[0].content }}',
    # Templates are untrusted.
    '{{ messages.__class__.__mro__ }}{{ messages[0].content }}',
    # They may ask for any amount of time, memory, depth and text.
    '{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}'
    '{% endfor %}{{ messages[0].content }}',
    "{{ 'a' * 10**11 }}{{ messages[0].content }}",
    '{{ ' + '(' * 10_000 + '1' + ')' * 10_000 + ' }}',
    "{{ messages[0].content }}{% for i in range(9999) %}{{ 'a' * 9999 }}"
    '{% endfor %}',
    "{% include '/etc/passwd' %}{{ messages[0].content }}",
  ],
)
def test_templates_that_cannot_be_rendered(template, tmp_path):
  assert _prompt_format(tmp_path, template) is None
