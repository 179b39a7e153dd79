"""Hugging Face's Llama, trained with PyTorch.

It runs with the fastest of the settings that this module tries: the Adafactor,
and whether to use `torch.compile`.
"""

from collections.abc import Callable
import os
import time
from typing import Any

import torch
import transformers

from benchmarks.common import figures
from benchmarks.common.side_process import serve
from benchmarks.train_step.shapes import LEARNING_RATE, Shape, make_batch

_IGNORED = -100  # A label that Hugging Face's loss leaves out.


class TorchSide:
  """Attends causally over whole rows, across the examples in them."""

  def __init__(self, task: dict[str, Any]):
    self._shape = shape = Shape(**task['shape'])
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
    self._batches: dict[str, dict[str, torch.Tensor]] = {}
    self._settings = self._step = None
    cuda = self._device == 'cuda'
    self._wait = torch.cuda.synchronize if cuda else lambda: None

  def prepare(self, case: str) -> dict[str, Any]:
    """Takes one step, of the fastest settings."""
    batch = make_batch(self._shape, case)
    # The loss shifts labels itself: label i belongs to the position before it.
    labels = batch['labels'].copy()
    labels[batch['targets'] == 0] = _IGNORED
    tokens = torch.as_tensor(batch['tokens'], dtype=torch.long)
    shifted = torch.full_like(tokens, _IGNORED)
    shifted[:, 1:] = torch.as_tensor(labels, dtype=torch.long)[:, :-1]
    self._batches[case] = {
      'input_ids': tokens.to(self._device),
      'labels': shifted.to(self._device),
    }
    with torch.no_grad():
      loss = float(self._loss(self._model, case))
    if self._step is None:
      self._settings, self._step = self._fastest(case)
    self._step(case)
    return {
      'first_loss': loss,
      'parameters': sum(p.numel() for p in self._model.parameters()),
      'settings': self._settings,
      'threads': torch.get_num_threads(),
      'versions': figures.versions(['torch', 'transformers']),
    }

  def run(self, case: str, steps: int) -> dict[str, Any]:
    """Takes steps and waits for the last."""
    for _ in range(steps):
      self._step(case)
    self._wait()
    if self._device == 'cpu':
      return {}
    return {'device_mib': torch.cuda.max_memory_allocated() >> 20}

  def _loss(self, model, case: str) -> torch.Tensor:
    with torch.autocast(
      self._device, torch.bfloat16, enabled=self._shape.dtype == 'bfloat16'
    ):
      return model(**self._batches[case]).loss

  def _fastest(self, case: str) -> tuple[str, Callable[[str], None]]:
    """Returns the name and the step of the fastest settings."""
    parameters, rate = self._model.parameters, LEARNING_RATE
    optimizers = {
      'transformers': lambda: transformers.Adafactor(
        parameters(), lr=rate, relative_step=False, scale_parameter=True
      ),
      'torch': lambda: torch.optim.Adafactor(parameters(), lr=rate),
      'torch, foreach': lambda: torch.optim.Adafactor(
        parameters(), lr=rate, foreach=True
      ),
    }
    steps = {
      name: self._stepper(self._model, make())
      for name, make in optimizers.items()
    }
    seconds = {name: self._seconds(step, case) for name, step in steps.items()}
    name = min(seconds, key=seconds.get)
    settings = f'Adafactor of {name}'
    try:
      compiled = self._stepper(torch.compile(self._model), optimizers[name]())
      if self._seconds(compiled, case) < seconds[name]:
        return f'{settings}, compiled', compiled
    # For example because there is no C++ compiler.
    except Exception as error:
      settings += f', not compiled: {type(error).__name__}'
    return settings, steps[name]

  def _stepper(self, model, optimizer) -> Callable[[str], None]:
    def step(case):
      self._loss(model, case).backward()
      optimizer.step()
      optimizer.zero_grad(set_to_none=True)

    return step

  def _seconds(self, step: Callable[[str], None], case: str) -> float:
    """Returns the time of the faster of two steps, after a warm-up step."""
    taken = []
    for _ in range(3):
      begin = time.perf_counter()
      step(case)
      self._wait()
      taken.append(time.perf_counter() - begin)
    return min(taken[1:])


if __name__ == '__main__':
  serve(TorchSide)
