"""Measures how much memory `flan-jax import` takes beyond the model itself.

  python -m benchmarks.import_memory
  python -m benchmarks.import_memory --dtype=bfloat16 --work_dir=DIR

A Hugging Face folder with random bfloat16 weights is written shard by shard and
imported by a process of its own, whose memory is watched. Prints one JSON
object.
"""

import argparse
from collections.abc import Sequence
import os
import pathlib
import tempfile
from typing import Any

# Read when JAX is first imported: the host is measured.
os.environ['JAX_PLATFORMS'] = 'cpu'

from benchmarks.measuring import say
from benchmarks.process_memory import run_phase
from flan_jax.interop import FAMILIES, decoder_config
from flan_jax.runs import import_weights
from flan_jax.testing import tiny_models

# 1.1 billion parameters in the shape of TinyLlama.
_CONFIG = {
  'model_type': 'llama',
  'vocab_size': 32_000,
  'hidden_size': 2048,
  'intermediate_size': 5632,
  'num_hidden_layers': 22,
  'num_attention_heads': 32,
  'num_key_value_heads': 4,
  'rms_norm_eps': 1e-5,
  'max_position_embeddings': 2048,
}
_BYTES = {'float32': 4, 'bfloat16': 2}


def main(arguments: Sequence[str] | None = None) -> None:
  """Runs the measurement."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--dtype', choices=tuple(_BYTES), default='float32')
  parser.add_argument('--work_dir', help='where the folders are made')
  flags = parser.parse_args(arguments)
  with tempfile.TemporaryDirectory(
    prefix='import_memory_', dir=flags.work_dir
  ) as folder:
    source, out = pathlib.Path(folder) / 'source', pathlib.Path(folder) / 'out'
    source.mkdir()
    tiny_models.write_tokenizer(source)
    tiny_models.write_model(source, _CONFIG)
    phase = run_phase(_import, str(source), str(out), flags.dtype)
  parameters = decoder_config(FAMILIES['llama'], _CONFIG).param_count()
  model_mib = round(parameters * _BYTES[flags.dtype] / 2**20)
  say(
    parameters=parameters,
    dtype=flags.dtype,
    model_mib=model_mib,
    peak_mib=phase.peak_mib,
    peak_private_mib=phase.peak_private_mib,
    beyond_the_model_mib=phase.peak_mib - model_mib,
    seconds=phase.seconds,
  )


def _import(source: str, out: str, dtype: str) -> dict[str, Any]:
  flags = [f'--from={source}', f'--out={out}', f'--dtype={dtype}']
  return {'exit_code': import_weights.main(flags)}


if __name__ == '__main__':
  main()
