"""`generate` of Hugging Face's `transformers`, in batches of similar lengths.

Needs PyTorch, and nothing of this project.
"""

from collections.abc import Sequence
import json
import pathlib
from typing import Any

import torch
import transformers

from benchmarks.common import figures
from benchmarks.common.side_process import serve
from benchmarks.common.torch_threads import choose_threads

# What is generated to choose the number of threads.
_TRIAL_PROMPTS, _TRIAL_TOKENS = 8, 4


class TransformersSide:
  """Answers the prompts of its task, greedily.

  Its task: `hugging_face`, `prompts`, `new_tokens`.
  """

  def __init__(self, task: dict[str, Any]):
    path = pathlib.Path(task['prompts'])
    self._prompts = json.loads(path.read_text('utf-8'))
    self._most = task['new_tokens']
    self._model = transformers.AutoModelForCausalLM.from_pretrained(
      task['hugging_face'], dtype=torch.float32, local_files_only=True
    ).eval()
    self._end = self._model.generation_config.eos_token_id
    prompts = next(iter(self._prompts.values()))[:_TRIAL_PROMPTS]
    self._versions = {
      **figures.versions(['torch', 'transformers']),
      'attention': self._model.config._attn_implementation,
      **choose_threads(lambda: self._batch(prompts, _TRIAL_TOKENS)),
    }

  def prepare(self, case: str, batch_size: int) -> dict[str, Any]:
    """Returns the answers with their end tokens."""
    return {
      'answers': self._generate(case, batch_size),
      'versions': self._versions,
    }

  def run(self, case: str, batch_size: int) -> None:
    """Answers all prompts of a dataset."""
    self._generate(case, batch_size)

  def _generate(self, case: str, batch_size: int) -> list[list[int]]:
    prompts = self._prompts[case]
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
      members = order[start : start + batch_size]
      tokens = self._batch([prompts[i] for i in members], self._most)
      for index, answer in zip(members, tokens, strict=True):
        answers[index] = answer
    return answers

  def _batch(
    self, prompts: Sequence[Sequence[int]], new_tokens: int
  ) -> list[list[int]]:
    longest = max(map(len, prompts))
    tokens = torch.zeros((len(prompts), longest), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
      tokens[row, longest - len(prompt) :] = torch.as_tensor(prompt)
      mask[row, longest - len(prompt) :] = 1
    with torch.inference_mode():
      rows = self._model.generate(
        tokens,
        attention_mask=mask,
        generation_config=transformers.GenerationConfig(
          do_sample=False,
          max_new_tokens=new_tokens,
          eos_token_id=self._end,
          pad_token_id=0,
        ),
      )
    return [
      row[: row.index(self._end) + 1] if self._end in row else row
      for row in rows[:, longest:].tolist()
    ]


if __name__ == '__main__':
  serve(TransformersSide)
