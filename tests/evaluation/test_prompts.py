"""A file of prompts is read whole, or refused with the line that is wrong."""

import pytest

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.evaluation.prompts import (
  PromptError,
  prompt_tokens,
  read_prompts,
)
from flan_jax.vocabulary.load import load_vocabulary


def _file(tmp_path, name, content):
  path = tmp_path / name
  path.write_bytes(content)
  return path


def test_a_line_is_a_prompt(tmp_path):
  path = _file(tmp_path, 'a.txt', 'one \r\nzwölf\u2028drei\n\n \n'.encode())
  prompts = read_prompts(path)
  assert [p.fields['prompt'] for p in prompts] == ['one ', 'zwölf\u2028drei']
  assert prompts[1].place == f'{path}:2'


def test_an_object_is_a_prompt_with_further_keys(tmp_path):
  lines = b'{"prompt": "a\\nb", "id": [1]}\n{"text": "x", "prompt": ""}\n'
  first, second = read_prompts(_file(tmp_path, 'a.jsonl', lines))
  assert first.fields == {'prompt': 'a\nb', 'id': [1]}
  assert second.fields == {'prompt': '', 'text': 'x'}


@pytest.mark.parametrize(
  'name, content, message',
  [
    ('a.txt', b'', 'a.txt is empty'),
    ('a.jsonl', b'\n \n', 'a.jsonl is empty'),
    ('a.txt', b'one\n\ntwo\n', 'a.txt:2: empty line'),
    ('a.txt', b'one\n\xff\n', 'a.txt:2: not UTF-8'),
    (
      'a.jsonl',
      b'{"prompt": "a"}\nwords\n',
      'a.jsonl:2 is not JSON',
    ),
    ('a.jsonl', b'{"question": "a"}\n', "a.jsonl:1: no key 'prompt', only qu"),
    ('a.jsonl', b'["a"]\n', "a.jsonl:1: no key 'prompt'; write"),
    ('a.jsonl', b'{"prompt": ["a"]}\n', 'a.jsonl:1: .*must be a string'),
    (
      'a.jsonl',
      b'{"prompt": "a", "ended": 1}\n',
      "1: 'ended' is a key",
    ),
    (
      'a.jsonl',
      b'{"prompt": "a", "id": "\\ud800"}\n',
      '1: an unpaired surrogate',
    ),
  ],
)
def test_a_bad_line_is_named(tmp_path, name, content, message):
  with pytest.raises(PromptError, match=message):
    read_prompts(_file(tmp_path, name, content))


def test_a_missing_file_is_named(tmp_path):
  with pytest.raises(PromptError, match=r'a\.txt cannot be read: No such file'):
    read_prompts(tmp_path / 'a.txt')


def test_tokens_are_framed_as_an_input(tmp_path):
  vocabulary = load_vocabulary('mini')
  framing = Framing.of(
    CacheConfig('cache', prompt_format='Q: {input} A:'), vocabulary
  )
  prompts = read_prompts(_file(tmp_path, 'a.txt', b'a horse\nand a goose\n'))
  found = prompt_tokens(prompts, vocabulary, framing, longest=99)
  assert found[0] == [
    *framing.start,
    *vocabulary.encode('a horse'),
    *framing.separator,
  ]
  longest = len(found[0])
  with pytest.raises(
    PromptError, match=rf"a.txt:2: .* more than the {longest} of 'inputs'"
  ):
    prompt_tokens(prompts, vocabulary, framing, longest)


def test_a_prompt_without_tokens_is_refused(tmp_path):
  vocabulary = load_vocabulary('mini')
  prompts = read_prompts(_file(tmp_path, 'a.jsonl', b'{"prompt": ""}'))
  with pytest.raises(PromptError, match=r'a\.jsonl:1: a prompt without tokens'):
    prompt_tokens(prompts, vocabulary, Framing((), (), (1,), ()), 9)
