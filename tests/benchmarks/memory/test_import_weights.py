"""The memory of an import is compared with the size of the model."""

import json

import pytest

from benchmarks.memory import import_weights
from tests.benchmarks.running import TINY_LLAMA, check_out


@pytest.mark.slow
def test_a_tiny_model(monkeypatch, capsys, tmp_path):
  # Larger than the tokenizer that is written beside it.
  config = {**TINY_LLAMA, 'vocab_size': 1000}
  monkeypatch.setattr(import_weights, '_CONFIG', config)
  out = tmp_path / 'out.json'
  import_weights.main(['--dtype=bfloat16', f'--out={out}'])
  line = json.loads(capsys.readouterr().out)
  check_out(out, line)
  assert line['parameters'] > 2 * 1000 * TINY_LLAMA['hidden_size']
  assert line['beyond_the_model_mib'] == line['peak_mib'] - line['model_mib']
  assert line['peak_private_mib'] > 0
