"""Both sides give the same answers; the comparison runs without the peer."""

import importlib.util
import os

import pytest

from benchmarks.generate.results import CASES, EVEN
from tests.benchmarks.running import run, write_tiny_model
from tests.command_line import ROOT

_HAS_PEER = all(map(importlib.util.find_spec, ('torch', 'transformers')))


def _run(tmp_path, **environment):
  return run(
    'generate',
    '--prompts=4',
    '--new_tokens=6',
    '--rounds=1',
    '--batch_sizes=1,4',
    f'--model={write_tiny_model(tmp_path / "source")}',
    **environment,
  )


@pytest.mark.slow
@pytest.mark.skipif(not _HAS_PEER, reason='needs PyTorch and transformers')
def test_both_sides_give_the_same_answers(tmp_path):
  *lines, summary = _run(tmp_path)
  assert summary['ratio_to_transformers'] > 0
  assert summary['left_out'] == {}
  for case in CASES:
    figures = summary['cases'][case]
    # Random weights have no ties: one wrong position, mask or padding, and the
    # texts differ.
    assert figures['agreement'] == {'same_texts': 1.0, 'same_tokens': 1.0}
    assert figures['tokens']['flan_jax'] == figures['tokens']['transformers']
    assert set(figures['transformers_by_batch_size']) == {'1', '4'}
  assert summary['cases'][EVEN]['tokens']['flan_jax'] == 4 * 6
  turns = [line['turn'] for line in lines if 'turn' in line]
  assert len(turns) == 2 * 1 * 2  # cases, rounds, sides
  threads = summary['versions']['transformers']['trial_seconds_by_threads']
  assert '1' in threads


@pytest.mark.slow
def test_without_the_peer_this_project_is_measured_alone(tmp_path):
  hidden = tmp_path / 'hidden'
  hidden.mkdir()
  # As if PyTorch were not installed.
  (hidden / 'sitecustomize.py').write_text(
    'import importlib.util as u\n'
    'find = u.find_spec\n'
    "u.find_spec = lambda n, *a: None if n == 'torch' else find(n, *a)\n"
  )
  path = os.pathsep.join((str(hidden), str(ROOT)))
  summary = _run(tmp_path, PYTHONPATH=path)[-1]
  assert set(summary['left_out']) == {'transformers'}
  assert 'pip install' in summary['left_out']['transformers']
  assert summary['ratio_to_transformers'] is None
  even = summary['cases'][EVEN]
  assert even['tokens_per_second']['flan_jax']['median'] > 0
  assert even['agreement'] is None
