"""A few rows of RTE, some of which are too long for a prompt."""

import json
import pathlib

from flan_jax.sources import tfds_import


def import_rte(folder: pathlib.Path) -> str:
  """Imports the rows into a TFDS directory below a folder; returns it."""
  lines = [
    {
      'premise': f'Number {i} is on the list. ' * (1 if i % 5 else 400),
      'hypothesis': f'{i} is listed.' if i % 2 else f'{i} is missing.',
      'label': 'entailment' if i % 2 else 'not_entailment',
      'idx': i,
      '_split': 'train' if i < 10 else 'validation',
    }
    for i in range(16)
  ]
  file = folder / 'rte.jsonl'
  file.write_text(''.join(json.dumps(line) + '\n' for line in lines))
  tfds_import.import_rows(
    file,
    folder / 'tfds',
    builder='super_glue/rte:1.0.2',
    log=lambda line: None,
  )
  return str(folder / 'tfds')
