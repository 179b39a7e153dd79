"""Trains the shipped vocabulary on the mini corpus and the templates.

Run as `python -m flan_jax.vocabulary.train_mini [--output=FILE]`. Text is not
normalized and gets no leading space, so that decoding returns exactly the bytes
that were encoded. Characters without a piece of their own fall back to bytes.
"""

import argparse
from collections.abc import Iterator
import io
import json
import pathlib
from typing import Any

import sentencepiece

from flan_jax.definitions import registry
from flan_jax.sources.tfds_import import mini_corpus
from flan_jax.vocabulary.load import MINI_MODEL, load_vocabulary

SIZE = 4096


def _strings(value: Any) -> Iterator[str]:
  if isinstance(value, str):
    yield value
  elif isinstance(value, dict | list):
    for item in value.values() if isinstance(value, dict) else value:
      yield from _strings(item)


def corpus() -> Iterator[str]:
  """Yields the lines of every mini row and of every template."""
  for path in sorted(mini_corpus().glob('*.jsonl')):
    for line in path.read_text(encoding='utf-8').splitlines():
      row = json.loads(line)
      row.pop('_split')
      for text in _strings(row):
        yield from filter(None, text.splitlines())
  registry.load()
  for _, part in registry.parts().values():
    for template in part.templates:
      for text in (template.input, template.target):
        yield from filter(None, text.splitlines())


def train(size: int = SIZE) -> bytes:
  """Returns a SentencePiece model: 0 pads, 1 ends, 2 is unknown."""
  model = io.BytesIO()
  sentencepiece.SentencePieceTrainer.train(
    sentence_iterator=corpus(),
    model_writer=model,
    vocab_size=size,
    model_type='unigram',
    byte_fallback=True,
    normalization_rule_name='identity',
    add_dummy_prefix=False,
    remove_extra_whitespaces=False,
    split_digits=True,
    user_defined_symbols=['\n'],
    character_coverage=0.9999,
    max_sentence_length=65536,
    num_threads=1,
    pad_id=0,
    eos_id=1,
    unk_id=2,
    bos_id=-1,
    minloglevel=2,
  )
  return model.getvalue()


def main() -> None:
  """Trains and writes the model."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--output', default=str(MINI_MODEL))
  output = pathlib.Path(parser.parse_args().output)
  output.write_bytes(train())
  trained = load_vocabulary(str(output))
  print(f'{output}: {trained.size} pieces, digest {trained.digest}')


if __name__ == '__main__':
  main()
