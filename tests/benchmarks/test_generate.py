"""Both sides say the same; without the peer, the comparison says so."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

from benchmarks import generate_sides
from flan_jax.testing import tiny_models

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_HAS_PEER = not generate_sides.unavailable()


def _config(vocab_size):
  return {
    'model_type': 'llama',
    'vocab_size': vocab_size,
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'rms_norm_eps': 1e-5,
    'max_position_embeddings': 1024,
  }


def _run(tmp_path, **environment):
  source = tmp_path / 'source'
  source.mkdir()
  tiny_models.write_model(source, _config(tiny_models.write_tokenizer(source)))
  flags = ['--prompts=4', '--new_tokens=6', '--rounds=2', '--batch_sizes=1,4']
  finished = subprocess.run(
    [
      *(sys.executable, '-m', 'benchmarks.generate', *flags),
      f'--model={source}',
      f'--work_dir={tmp_path}',
    ],
    cwd=_ROOT,
    env={**os.environ, 'PYTHONPATH': str(_ROOT), **environment},
    capture_output=True,
    text=True,
    check=False,
  )
  assert finished.returncode == 0, finished.stderr[-3000:]
  return [json.loads(line) for line in finished.stdout.splitlines()]


@pytest.mark.skipif(not _HAS_PEER, reason='needs PyTorch and transformers')
def test_both_sides_say_the_same_and_the_last_line_compares(tmp_path):
  *lines, summary = _run(tmp_path)
  assert summary['ratio_to_transformers'] > 0
  assert summary['left_out'] == {}
  for case in generate_sides.CASES:
    figures = summary['cases'][case]
    # Random weights have ties nowhere: one wrong position, mask or padding,
    # and the texts differ.
    assert figures['agreement'] == {'same_texts': 1.0, 'same_tokens': 1.0}
    assert figures['tokens']['flan_jax'] == figures['tokens']['transformers']
    assert set(figures['transformers_by_batch_size']) == {'1', '4'}
  even = summary['cases'][generate_sides.EVEN]
  assert even['tokens']['flan_jax'] == 4 * 6
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert len(turns) == 2 * 2 * 2  # cases, rounds, sides
  assert 1 in {int(n) for n in _threads(summary)}


def _threads(summary):
  return summary['versions']['transformers']['trial_seconds_by_threads']


def test_without_the_peer_this_project_is_measured_alone(tmp_path):
  hidden = tmp_path / 'hidden'
  hidden.mkdir()
  # Not found, as where it is not installed.
  (hidden / 'sitecustomize.py').write_text(
    'import importlib.util as u\n'
    'find = u.find_spec\n'
    "u.find_spec = lambda n, *a: None if n == 'torch' else find(n, *a)\n"
  )
  path = os.pathsep.join((str(hidden), str(_ROOT)))
  summary = _run(tmp_path, PYTHONPATH=path)[-1]
  assert set(summary['left_out']) == {'transformers'}
  assert 'pip install' in summary['left_out']['transformers']
  assert summary['ratio_to_transformers'] is None
  even = summary['cases'][generate_sides.EVEN]
  assert even['tokens_per_second']['flan_jax']['median'] > 0
  assert even['agreement'] is None


def test_agreement_counts_what_comes_before_the_first_difference():
  class Words:
    def decode(self, ids):
      return ' '.join(map(str, ids))

  found = generate_sides.agreement(Words(), [[1, 2, 3], [4]], [[1, 9, 3], [4]])
  assert found == {'same_texts': 0.5, 'same_tokens': 0.5}
