"""All sides train the same; the comparison runs to its end without any peer."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import own_steps, train_results, train_shapes, train_sides
from benchmarks.train_results import Results, Turn

_ROOT = pathlib.Path(__file__).resolve().parents[2]
_TINY = train_shapes.SHAPES['tiny']
_HAS_TORCH = all(map(importlib.util.find_spec, ('torch', 'transformers')))
# What a machine with a GPU may lack.
_ABSENT = ('gin', 'seqio', 'tensorflow', 'tensorflow_datasets')


def _run(tmp_path, *flags):
  """Runs the benchmark where `_ABSENT` cannot be imported."""
  for name in _ABSENT:
    (tmp_path / f'{name}.py').write_text(f'raise ImportError({name!r})')
  finished = subprocess.run(
    [sys.executable, '-m', 'benchmarks.train_step', '--shapes=tiny', *flags],
    cwd=_ROOT,
    env={
      **os.environ,
      'PYTHONPATH': os.pathsep.join((str(tmp_path), str(_ROOT))),
      # PyTorch as it is: compiling takes a minute.
      'TORCHDYNAMO_DISABLE': '1',
      # Has none: its process ends at once.
      'FLAN_JAX_T5X_PYTHON': sys.executable,
      'FLAN_JAX_NANODO_PYTHON': '',
    },
    capture_output=True,
    text=True,
    check=False,
  )
  assert finished.returncode == 0, finished.stderr[-3000:]
  return [json.loads(line) for line in finished.stdout.splitlines()]


def test_the_last_line_holds_what_is_promised(tmp_path):
  sides = 'flan_jax,flan_jax_llama,torch,t5x,nanodo'
  lines = _run(tmp_path, '--platform=cpu', '--rounds=2', f'--sides={sides}')
  summary = lines[-1]
  assert summary['peers'] == (['torch'] if _HAS_TORCH else [])
  assert set(summary['left_out']) >= {'nanodo'}
  # A peer that fails is named, and the others go on.
  assert set(summary['failed']) == {'t5x/dense', 't5x/flan'}
  for case in train_shapes.CASES:
    ratio = summary[f'ratio_to_torch_{case}']
    assert ratio > 0 if _HAS_TORCH else ratio is None
    assert summary[f'ratio_to_best_jax_peer_{case}'] is None
    for side in ('flan_jax', 'flan_jax_llama', *summary['peers']):
      figures = summary['sides'][side][case]
      assert figures['tokens_per_second']['median'] > 0
      # No model has learned anything: all know that there are V tokens.
      assert abs(figures['first_loss'] - np.log(_TINY.vocabulary)) < 1
  assert summary['matmul_share'] > 0
  assert summary['mfu'] is None  # A CPU has no published rate.
  turns = [line['turn'] for line in lines if 'turn' in line]
  begun = [turns[0]['side'], turns[len(turns) // 4]['side']]
  assert begun == ['flan_jax', 'flan_jax_llama'], 'one begins every round'


def test_on_a_gpu_one_side_comes_after_the_other(tmp_path):
  # Without a GPU this runs on the CPU all the same.
  sides = 'flan_jax,flan_jax_llama'
  lines = _run(tmp_path, '--platform=gpu', '--rounds=1', f'--sides={sides}')
  turns = [line['turn']['side'] for line in lines if 'turn' in line]
  assert turns == ['flan_jax'] * 2 + ['flan_jax_llama'] * 2


def test_a_sixth_are_targets_and_labels_follow():
  dense, flan = (
    train_shapes.make_batch(_TINY, case) for case in ('dense', 'flan')
  )
  for batch in (dense, flan):
    np.testing.assert_array_equal(
      batch['tokens'][:, 1:], batch['labels'][:, :-1]
    )
  np.testing.assert_array_equal(dense['tokens'], flan['tokens'])
  assert dense['targets'].all()
  assert dense['segments'].max() == 1
  base = train_shapes.make_batch(train_shapes.SHAPES['base'], 'flan')
  assert base['targets'].mean() == pytest.approx(1 / 6, rel=0.02)
  # Every example ends in its target, and has as many places as the others.
  first = base['segments'][0] == 1
  assert base['targets'][0, first].tolist() == [0] * 133 + [1] * 27
  assert base['positions'][0, first].tolist() == list(range(160))


def test_gathered_targets_are_those_of_the_mask():
  batch = train_shapes.make_batch(_TINY, 'flan')
  gathered = own_steps._gather_targets(batch)
  mask = np.zeros_like(batch['targets'])
  np.put_along_axis(mask, gathered['target_positions'], 1, axis=1)
  np.testing.assert_array_equal(mask, batch['targets'])
  np.testing.assert_array_equal(
    gathered['target_labels'].ravel(), batch['labels'][mask == 1]
  )


@pytest.mark.skipif(not _HAS_TORCH, reason='needs PyTorch and transformers')
def test_hugging_face_predicts_the_same_labels(monkeypatch):
  import torch

  from benchmarks import peer_torch

  side = peer_torch.TorchSide(_TINY, 'torch')
  monkeypatch.setattr(side, '_fastest', lambda: ('none', lambda: None))
  loss = side.prepare('flan')['first_loss']
  batch = train_shapes.make_batch(_TINY, 'flan')
  with torch.no_grad():
    logits = side._model(torch.as_tensor(batch['tokens']).long()).logits
  log_probs = torch.log_softmax(logits, -1).numpy()
  labels = batch['labels'][..., None]
  losses = -np.take_along_axis(log_probs, labels, axis=-1)[..., 0]
  # The label of a row's last place is no token of the row: it is left out.
  targets = batch['targets'][:, :-1] == 1
  assert loss == pytest.approx(losses[:, :-1][targets].mean(), rel=1e-5)


def _results(seconds):
  """The turns of sides that took so many seconds a step, by round."""
  results = Results(_TINY)
  for side, taken in seconds.items():
    facts = {'needed_flops': 6.0, 'peak_flops': 4.0, 'first_loss': 1.0}
    results.facts[side, 'flan'] = facts
    for number, value in enumerate(taken):
      results.matmul['flan', number] = 3.0
      results.turns.append(
        Turn(side, 'flan', number, value, value, 10, None, 0.0)
      )
  return results


def test_ratios_are_of_turns_of_the_same_round():
  results = _results(
    {
      'flan_jax': [1, 2, 4],
      'torch': [2, 4, 8],
      't5x': [3, 6, 12],
      'nanodo': [1.5, 3, 8],
    }
  )
  summary = train_results.summary(results)
  assert summary['ratio_to_torch_flan'] == 2
  # To the fastest: by T5X alone it would be 3.
  assert summary['ratio_to_best_jax_peer_flan'] == 1.5
  assert summary['ratio_to_torch_dense'] is None
  assert summary['ratios']['flan_jax']['flan']['nanodo']['q3'] == 1.75
  # 6 FLOP in 2 seconds, of 3 and of 4 a second.
  assert summary['matmul_share_flan'] == 1
  assert summary['mfu_flan'] == 0.75


def test_a_side_that_fails_midway_has_no_figures():
  results = _results({'flan_jax': [1, 1], 'torch': [1]})
  with results.noting_failure('torch', 'flan'):
    raise train_sides.SideError('torch: out of memory')
  summary = train_results.summary(results)
  assert summary['ratio_to_torch_flan'] is None
  assert 'torch/flan' in summary['failed']
