"""Hugging Face's loss is that of the same labels."""

import dataclasses

import numpy as np
import pytest

from benchmarks.train_step.shapes import SHAPES, make_batch

torch = pytest.importorskip('torch')
pytest.importorskip('transformers')


@pytest.mark.slow
def test_the_loss_is_the_mean_over_the_targets(monkeypatch):
  from benchmarks.train_step import hugging_face

  shape = SHAPES['tiny']
  side = hugging_face.TorchSide({'shape': dataclasses.asdict(shape)})
  monkeypatch.setattr(
    side, '_fastest', lambda case: ('none', lambda case: None)
  )
  loss = side.prepare('flan')['first_loss']
  batch = make_batch(shape, 'flan')
  with torch.no_grad():
    logits = side._model(torch.as_tensor(batch['tokens']).long()).logits
  log_probs = torch.log_softmax(logits, -1).numpy()
  labels = batch['labels'][..., None]
  losses = -np.take_along_axis(log_probs, labels, axis=-1)[..., 0]
  # The label of a row's last position is not a token of the row: left out.
  targets = batch['targets'][:, :-1] == 1
  assert loss == pytest.approx(losses[:, :-1][targets].mean(), rel=1e-5)
