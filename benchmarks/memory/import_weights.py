"""Measures how much memory `flan-jax import` takes in addition to the model.

Writes a Hugging Face folder with random bfloat16 weights shard by shard, and
watches the memory of a process that imports it. Prints one JSON object.
"""

from collections.abc import Sequence
import contextlib
import os
import pathlib
import sys
import tempfile
from typing import Any

# JAX reads this when it is first imported.
os.environ['JAX_PLATFORMS'] = 'cpu'

from benchmarks.common import figures, flags
from benchmarks.memory.watching import run_phase
from flan_jax.interop import FAMILIES, decoder_config
from flan_jax.runs import import_weights
from flan_jax.testing import tiny_models

_PACKAGES = ('jax', 'orbax-checkpoint')
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
  parser = flags.parser(__doc__)
  add = parser.add_argument
  add('--dtype', choices=tuple(_BYTES), default='float32', help='of the import')
  add('--work_dir', help='where the folders are made')
  flags.add_out(parser)
  settings = parser.parse_args(arguments)
  with tempfile.TemporaryDirectory(
    prefix='import_weights_', dir=settings.work_dir
  ) as folder:
    source, out = pathlib.Path(folder) / 'source', pathlib.Path(folder) / 'out'
    source.mkdir()
    tiny_models.write_tokenizer(source)
    tiny_models.write_model(source, _CONFIG)
    phase = run_phase(_import, str(source), str(out), settings.dtype)
  parameters = decoder_config(FAMILIES['llama'], _CONFIG).param_count()
  model_mib = round(parameters * _BYTES[settings.dtype] / 2**20)
  figures.finish(
    settings.out,
    parameters=parameters,
    dtype=settings.dtype,
    model_mib=model_mib,
    peak_mib=phase.peak_mib,
    peak_private_mib=phase.peak_private_mib,
    beyond_the_model_mib=phase.peak_mib - model_mib,
    seconds=phase.seconds,
    versions=figures.versions(_PACKAGES),
  )


def _import(source: str, out: str, dtype: str) -> dict[str, Any]:
  arguments = [f'--from={source}', f'--out={out}', f'--dtype={dtype}']
  with contextlib.redirect_stdout(sys.stderr):  # Only JSON on standard output.
    return {'exit_code': import_weights.main(arguments)}


if __name__ == '__main__':
  main()
