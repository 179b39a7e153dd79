"""Hugging Face's Llama, trained with PyTorch, as a side of `train_step`.

The settings are the fastest of those that this module tries: which Adafactor,
and whether `torch.compile` helps.
"""

from collections.abc import Callable
import os
import time
from typing import Any

import torch
import transformers

from benchmarks import stepping, train_shapes

_IGNORED = -100  # A label that Hugging Face's loss leaves out.
_RATE = 3e-5


class TorchSide:
  """Rows are not cut into their examples: causal attention over all of them."""

  def __init__(self, shape: train_shapes.Shape, name: str):
    del name
    self._shape = shape
    self._device = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
      vocab_size=shape.vocabulary,
      hidden_size=shape.width,
      intermediate_size=shape.feed_forward,
      num_hidden_layers=shape.layers,
      num_attention_heads=shape.heads,
      num_key_value_heads=shape.heads,
      head_dim=shape.head_width,
      max_position_embeddings=shape.length,
      tie_word_embeddings=False,
      use_cache=False,
      attn_implementation='sdpa',
    )
    self._model = transformers.LlamaForCausalLM(config).to(self._device).train()
    self._settings = None
    self._step = None

  def prepare(self, case: str) -> dict[str, Any]:
    batch = train_shapes.make_batch(self._shape, case)
    # The loss shifts labels itself: label i belongs to the place before it.
    labels = batch['labels'].copy()
    labels[batch['targets'] == 0] = _IGNORED
    tokens = torch.as_tensor(batch['tokens'], dtype=torch.long)
    shifted = torch.full_like(tokens, _IGNORED)
    shifted[:, 1:] = torch.as_tensor(labels, dtype=torch.long)[:, :-1]
    self._tokens = tokens.to(self._device)
    self._labels = shifted.to(self._device)
    with torch.no_grad():
      loss = float(self._loss(self._model))
    if self._step is None:
      self._settings, self._step = self._fastest()
    self._step()
    return {
      'first_loss': loss,
      'parameters': sum(p.numel() for p in self._model.parameters()),
      'settings': self._settings,
      'threads': torch.get_num_threads(),
      'versions': {
        'torch': torch.__version__,
        'transformers': transformers.__version__,
      },
    }

  def step(self, steps: int) -> dict[str, Any]:
    for _ in range(steps):
      self._step()
    self._wait()
    if self._device == 'cpu':
      return {}
    return {'device_mib': torch.cuda.max_memory_allocated() >> 20}

  def _loss(self, model) -> torch.Tensor:
    with torch.autocast(
      self._device, torch.bfloat16, enabled=self._shape.dtype == 'bfloat16'
    ):
      return model(input_ids=self._tokens, labels=self._labels).loss

  def _wait(self) -> None:
    if self._device == 'cuda':
      torch.cuda.synchronize()

  def _fastest(self) -> tuple[str, Callable[[], None]]:
    """Returns the name and the step of the fastest settings."""
    parameters = self._model.parameters
    optimizers = {
      'transformers': lambda: transformers.Adafactor(
        parameters(), lr=_RATE, relative_step=False, scale_parameter=True
      ),
      'torch': lambda: torch.optim.Adafactor(parameters(), lr=_RATE),
      'torch, foreach': lambda: torch.optim.Adafactor(
        parameters(), lr=_RATE, foreach=True
      ),
    }
    seconds, best = None, None
    for name, make in optimizers.items():
      step = self._stepper(self._model, make())
      taken = self._seconds(step)
      if seconds is None or taken < seconds:
        seconds, best = taken, (f'Adafactor of {name}', step, make)
    name, step, make = best
    try:
      compiled = self._stepper(torch.compile(self._model), make())
      if self._seconds(compiled) < seconds:
        return f'{name}, compiled', compiled
    # Without a compiler, for one.
    except Exception as error:
      name += f', not compiled: {type(error).__name__}'
    return name, step

  def _stepper(self, model, optimizer) -> Callable[[], None]:
    def step():
      self._loss(model).backward()
      optimizer.step()
      optimizer.zero_grad(set_to_none=True)

    return step

  def _seconds(self, step: Callable[[], None]) -> float:
    """Returns the faster of two steps, after one that is not counted."""
    taken = []
    for _ in range(3):
      begin = time.perf_counter()
      step()
      self._wait()
      taken.append(time.perf_counter() - begin)
    return min(taken[1:])


if __name__ == '__main__':
  stepping.serve(TorchSide)
