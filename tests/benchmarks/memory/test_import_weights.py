"""The memory of an import is compared with the size of the model."""

import json

import pytest

from benchmarks.memory import import_weights
from tests.benchmarks.running import TINY_LLAMA


@pytest.mark.slow
def test_a_tiny_model(monkeypatch, capsys):
  # Larger than the tokenizer that is written beside it.
  config = {**TINY_LLAMA, 'vocab_size': 1000}
  monkeypatch.setattr(import_weights, '_CONFIG', config)
  import_weights.main(['--dtype=bfloat16'])
  line = json.loads(capsys.readouterr().out)
  assert line['parameters'] > 2 * 1000 * TINY_LLAMA['hidden_size']
  assert line['beyond_the_model_mib'] == line['peak_mib'] - line['model_mib']
  assert line['peak_private_mib'] > 0
