"""Tokenizers rebuilt from metadata tokenize text like the original."""

import io
import json

import pytest
import sentencepiece

from flan_jax.interop import InteropError, gguf_tokenizer, tokenizer_json
from flan_jax.testing import tiny_models
from flan_jax.vocabulary.load import load_vocabulary

_TEXTS = (
  "The cat's in the hat: 12,408 (and a half)!",
  'Options:\n- yes\n- no\n\n   then  wide   spaces ',
  'naïve façade, “quotes” 日本語 🦊\ttab\r\n',
  '',
)


def _metadata(folder, pre):
  """Returns the metadata that a converter writes for the tiny tokenizer."""
  content = json.loads((folder / 'tokenizer.json').read_text())['model']
  names = sorted(content['vocab'], key=content['vocab'].get)
  special = len(tiny_models.SPECIAL)
  return {
    'tokenizer.ggml.model': 'gpt2',
    'tokenizer.ggml.pre': pre,
    'tokenizer.ggml.tokens': [*names, '[PAD0]', '[PAD1]'],
    'tokenizer.ggml.token_type': [
      *[tokenizer_json.CONTROL] * special,
      *[tokenizer_json.NORMAL] * (len(names) - special),
      *[tokenizer_json.UNUSED] * 2,
    ],
    'tokenizer.ggml.merges': [' '.join(m) for m in content['merges']],
    'tokenizer.ggml.bos_token_id': 0,
    'tokenizer.ggml.eos_token_id': 1,
    'tokenizer.chat_template': '{{ messages }}',
  }


def test_tokens_of_a_turn_end_a_generated_text(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  metadata = _metadata(tmp_path, 'gpt-2') | {'tokenizer.ggml.eot_token_id': 2}
  target = tmp_path / 'rebuilt'
  target.mkdir()
  assert _rebuilt(metadata, target).end_ids == (1, 2)


def _rebuilt(metadata, folder):
  gguf_tokenizer.write(metadata.get, folder)
  return load_vocabulary(str(folder))


def test_a_byte_level_tokenizer(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  original = load_vocabulary(str(tmp_path))
  target = tmp_path / 'rebuilt'
  target.mkdir()
  rebuilt = _rebuilt(_metadata(tmp_path, 'gpt-2'), target)
  # The padding of the embedding adds no tokens.
  assert rebuilt.size == original.size
  assert rebuilt.special == original.special
  assert (rebuilt.eos_id, rebuilt.bos_id) == (1, None)
  for text in _TEXTS:
    assert rebuilt.encode(text) == original.encode(text)
    assert rebuilt.decode(rebuilt.encode(text)) == text
  config = json.loads((target / 'tokenizer_config.json').read_text())
  assert config['chat_template'] == '{{ messages }}'


def test_the_bos_token_of_llama_3(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  metadata = _metadata(tmp_path, 'llama-bpe')
  target = tmp_path / 'rebuilt'
  target.mkdir()
  # The first GGUF files of Llama 3 lacked add_bos_token.
  assert _rebuilt(metadata, target).bos_id == 0
  metadata['tokenizer.ggml.add_bos_token'] = False
  assert _rebuilt(metadata, target).bos_id is None


def _splits(pre, text):
  """Returns the parts into which text is split before merging."""
  pieces = tokenizer_json.Pieces(['a'], [tokenizer_json.NORMAL])
  tokenizer = tokenizer_json.byte_level_bpe(
    pieces, [], tokenizer_json.SPLITTINGS[pre]
  )
  found = tokenizer.pre_tokenizer.pre_tokenize_str(text)
  return [text[start:end] for _, (start, end) in found]


@pytest.mark.parametrize(
  ('pre', 'parts'),
  [
    ('gpt-2', ['I', "'ll", ' pay', ' 12345', '$', '\n\n ', ' now']),
    ('llama-bpe', ['I', "'ll", ' pay', ' ', '123', '45', '$\n\n', ' ', ' now']),
    (
      'qwen2',
      ['I', "'ll", ' pay', ' ', *'12345', '$\n\n', ' ', ' now'],
    ),
    (
      'smollm',
      ['I', "'ll", ' pay', ' ', *'12345', '$', '\n\n ', ' now'],
    ),
  ],
)
def test_how_text_is_split_before_merging(pre, parts):
  assert _splits(pre, "I'll pay 12345$\n\n  now") == parts


@pytest.fixture(scope='module')
def bpe_model():
  """A SentencePiece BPE model with byte fallback, like Llama 2's."""
  text = ' '.join(_TEXTS[:2]) + ' the theme of a thin hat then that than '
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([text] * 20),
    model_writer=model,
    vocab_size=320,
    model_type='bpe',
    byte_fallback=True,
    normalization_rule_name='identity',
    remove_extra_whitespaces=False,
    hard_vocab_limit=False,
    num_threads=1,
    minloglevel=2,
  )
  return sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())


def _type_of(model, number):
  checks = (
    (model.is_unknown, tokenizer_json.UNKNOWN),
    (model.is_control, tokenizer_json.CONTROL),
    (model.is_byte, tokenizer_json.BYTE),
  )
  for check, kind in checks:
    if check(number):
      return kind
  return tokenizer_json.NORMAL


def test_a_sentencepiece_tokenizer(bpe_model, tmp_path):
  ids = range(bpe_model.get_piece_size())
  rebuilt = _rebuilt(
    {
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.tokens': [bpe_model.id_to_piece(i) for i in ids],
      'tokenizer.ggml.token_type': [_type_of(bpe_model, i) for i in ids],
      'tokenizer.ggml.scores': [bpe_model.get_score(i) for i in ids],
      'tokenizer.ggml.bos_token_id': 1,
      'tokenizer.ggml.eos_token_id': 2,
    },
    tmp_path,
  )
  assert (rebuilt.bos_id, rebuilt.eos_id) == (1, 2)
  for text in _TEXTS:
    assert rebuilt.encode(text) == bpe_model.encode(text), text
    assert rebuilt.decode(rebuilt.encode(text)) == text


def test_unknown_kinds_are_refused(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  metadata = _metadata(tmp_path, 'tekken')
  with pytest.raises(InteropError, match='"gpt2", "tekken"'):
    gguf_tokenizer.write(metadata.get, tmp_path)
