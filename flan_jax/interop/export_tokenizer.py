"""Writes a vocabulary as a Hugging Face tokenizer."""

import pathlib
import shutil
from typing import Any

from flan_jax.interop import tokenizer_json
from flan_jax.interop.model_source import InteropError
from flan_jax.interop.output_folder import write_json
from flan_jax.interop.safetensors_folder import copy_tokenizer
from flan_jax.vocabulary.base import TOKENIZER_JSON, Vocabulary
from flan_jax.vocabulary.hugging_face import (
  TOKENIZER_CONFIG,
  TokenizerVocabulary,
  read_config,
)

# A converted tokenizer must tokenize these like the original.
_PROBES = (
  'The quick brown fox jumps over the lazy dog.',
  "It's 12,408 o'clock:\n- yes\n- no\n\n  indented, and  two  spaces",
  'Überraschung – 日本語, naïve façade, "quotes" & <tags> … 🦊 end ',
  'Options:\n- it is not possible to tell\t(tab)\r\n',
)


def write_tokenizer(vocabulary: Vocabulary, folder: pathlib.Path) -> None:
  """Writes tokenizer.json and its settings.

  Args:
    vocabulary: A tokenizer.json is copied with its settings; a SentencePiece
      model is converted.
    folder: The folder to write to.

  Raises:
    InteropError: the SentencePiece model cannot be converted.
  """
  path = pathlib.Path(vocabulary.path)
  if isinstance(vocabulary, TokenizerVocabulary):
    if path.name == TOKENIZER_JSON:
      copy_tokenizer(path.parent, folder)
    else:
      shutil.copyfile(path, folder / TOKENIZER_JSON)
      write_json(folder / TOKENIZER_CONFIG, read_config(path.parent))
    return
  tokenizer, settings = _converted(path)
  for text in _PROBES:
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    if ids != vocabulary.encode(text):
      raise InteropError(
        f'{path} cannot be exported: its tokenizer.json would tokenize '
        f'{text!r} differently'
      )
  settings |= read_config(path.parent)
  tokenizer_json.save(tokenizer, folder, settings)


def _converted(path: pathlib.Path) -> tuple[Any, dict[str, Any]]:
  """Converts a SentencePiece model; returns it with its special tokens."""
  from sentencepiece import sentencepiece_model_pb2

  model = sentencepiece_model_pb2.ModelProto.FromString(path.read_bytes())
  pieces = tokenizer_json.Pieces(
    names=[piece.piece for piece in model.pieces],
    types=[piece.type for piece in model.pieces],
    scores=[piece.score for piece in model.pieces],
  )
  trainer, normalizer = model.trainer_spec, model.normalizer_spec
  if normalizer.precompiled_charsmap or normalizer.remove_extra_whitespaces:
    raise InteropError(
      f'{path} normalizes text before tokenizing it, so it cannot be exported'
    )
  build = {
    trainer.UNIGRAM: tokenizer_json.sentencepiece_unigram,
    trainer.BPE: tokenizer_json.sentencepiece_bpe,
  }.get(trainer.model_type)
  if build is None:
    raise InteropError(f'{path} is not a unigram or BPE model')
  ids = {'bos': trainer.bos_id, 'eos': trainer.eos_id, 'pad': trainer.pad_id}
  settings = {
    f'{name}_token': pieces.names[number] if number >= 0 else None
    for name, number in {**ids, 'unk': trainer.unk_id}.items()
  }
  settings['add_bos_token'] = trainer.bos_id >= 0
  return build(pieces, normalizer.add_dummy_prefix), settings
