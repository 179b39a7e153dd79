"""An exported tokenizer tokenizes text like the vocabulary."""

import io
import shutil

import pytest
import sentencepiece

from flan_jax.interop import InteropError
from flan_jax.interop.export_tokenizer import write_tokenizer
from flan_jax.testing import tiny_models
from flan_jax.vocabulary.load import load_vocabulary

_TEXTS = (
  'Does the premise entail it?\nOptions:\n- yes\n- no',
  '  “naïve” 12,408 日本語 🦊  ',
)


def test_a_tokenizer_json_is_copied(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  out = tmp_path / 'out'
  out.mkdir()
  write_tokenizer(load_vocabulary(str(tmp_path)), out)
  for name in ('tokenizer.json', 'tokenizer_config.json'):
    assert (out / name).read_bytes() == (tmp_path / name).read_bytes()


def test_a_tokenizer_json_with_another_name(tmp_path):
  tiny_models.write_tokenizer(tmp_path)
  path = tmp_path / 'own.json'
  shutil.move(tmp_path / 'tokenizer.json', path)
  out = tmp_path / 'out'
  out.mkdir()
  vocabulary = load_vocabulary(str(path))
  write_tokenizer(vocabulary, out)
  assert load_vocabulary(str(out)).digest == vocabulary.digest


def test_the_shipped_vocabulary_becomes_a_tokenizer_json(tmp_path):
  mini = load_vocabulary('mini')
  write_tokenizer(mini, tmp_path)
  exported = load_vocabulary(str(tmp_path))
  assert (exported.size, exported.eos_id, exported.bos_id) == (4096, 1, None)
  for text in _TEXTS:
    assert exported.encode(text) == mini.encode(text)
    assert exported.decode(mini.encode(text)) == text


def _train(path, **settings):
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=iter([' '.join(_TEXTS)] * 20),
    model_writer=model,
    hard_vocab_limit=False,
    num_threads=1,
    minloglevel=2,
    **settings,
  )
  path.write_bytes(model.getvalue())
  return load_vocabulary(str(path))


def test_a_bpe_model_with_a_start_token(tmp_path):
  vocabulary = _train(
    tmp_path / 'own.model',
    vocab_size=330,
    model_type='bpe',
    byte_fallback=True,
    normalization_rule_name='identity',
    remove_extra_whitespaces=False,
  )
  out = tmp_path / 'out'
  out.mkdir()
  write_tokenizer(vocabulary, out)
  exported = load_vocabulary(str(out))
  assert (exported.bos_id, exported.eos_id) == (1, 2)
  for text in _TEXTS:
    assert exported.encode(text) == vocabulary.encode(text)


def test_a_model_that_normalizes_text_is_refused(tmp_path):
  vocabulary = _train(tmp_path / 'own.model', vocab_size=60)
  with pytest.raises(InteropError, match='normalizes text'):
    write_tokenizer(vocabulary, tmp_path)
