"""The comparison runs to its end with and without its peers."""

import contextlib
import importlib.util
import json
import os
import sys

import numpy as np
import pytest

from benchmarks.train_step import __main__ as main
from benchmarks.train_step.shapes import CASES, SHAPES
from tests.benchmarks.running import SideHere, check_out, run
from tests.command_line import ROOT

_HAS_TORCH = all(map(importlib.util.find_spec, ('torch', 'transformers')))
# What a machine with a GPU may lack.
_ABSENT = ('gin', 'seqio', 'tensorflow', 'tensorflow_datasets')


def _run(tmp_path, *flags):
  """Runs the benchmark where `_ABSENT` cannot be imported."""
  for name in _ABSENT:
    (tmp_path / f'{name}.py').write_text(f'raise ImportError({name!r})')
  return run(
    'train_step',
    '--shapes=tiny',
    *flags,
    PYTHONPATH=os.pathsep.join((str(tmp_path), str(ROOT))),
    # Compiling with PyTorch takes a minute.
    TORCHDYNAMO_DISABLE='1',
    # This interpreter has no T5X, so that its process ends at once.
    FLAN_JAX_T5X_PYTHON=sys.executable,
    FLAN_JAX_NANODO_PYTHON='',
  )


@pytest.mark.slow
def test_the_last_line_holds_what_is_documented(tmp_path):
  sides = 'flan_jax,torch,t5x,nanodo'
  lines = _run(tmp_path, '--platform=cpu', '--rounds=1', f'--sides={sides}')
  summary = lines[-1]
  assert summary['peers'] == (['torch'] if _HAS_TORCH else [])
  assert set(summary['left_out']) >= {'nanodo'}
  # A peer that fails is named, and the others go on.
  assert set(summary['failed']) == {'t5x/dense', 't5x/flan'}
  for case in CASES:
    ratio = summary[f'ratio_to_torch_{case}']
    assert ratio > 0 if _HAS_TORCH else ratio is None
    assert summary[f'ratio_to_best_jax_peer_{case}'] is None
    for side in ('flan_jax', *summary['peers']):
      figures = summary['sides'][side][case]
      assert figures['tokens_per_second']['median'] > 0
      # Untrained models only know that there are V tokens.
      loss = np.log(SHAPES['tiny'].vocabulary)
      assert abs(figures['first_loss'] - loss) < 1
  assert summary['matmul_share'] > 0
  assert summary['mfu'] is None  # A CPU has no published rate.


class _Side:
  """Takes no time."""

  def prepare(self, case):
    return {'first_loss': 1.0, 'versions': {'jax': '1'}}

  def run(self, case, steps):
    return {'work': steps}


def test_on_a_gpu_one_side_follows_the_other(monkeypatch, capsys, tmp_path):
  running = []

  @contextlib.contextmanager
  def started(modules, task, interpreters):
    running.append(list(modules))
    yield {side: SideHere(_Side()) for side in modules}

  monkeypatch.setattr(main, 'started', started)
  monkeypatch.setattr(main, '_environment', lambda *_: {})
  sides = 'flan_jax,flan_jax_llama'
  main.main(
    [
      *('--shapes=tiny', '--platform=gpu', '--rounds=1', f'--sides={sides}'),
      f'--out={tmp_path / "out.json"}',
    ]
  )
  # Each has the memory of the device for itself.
  assert running == [['matmul'], ['flan_jax'], ['flan_jax_llama']]
  lines = [*map(json.loads, capsys.readouterr().out.splitlines())]
  check_out(tmp_path / 'out.json', lines[-1])
  turns = [line['turn']['side'] for line in lines if 'turn' in line]
  assert turns == [side for (side,) in running for _ in range(2)]
