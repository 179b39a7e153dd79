"""`generate` of Hugging Face's `transformers`, in batches of similar lengths.

Needs PyTorch, and nothing of this project.
"""

from collections.abc import Sequence
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

  Its task: `hugging_face`, `prompts`, `new_tokens` and, by case, `ends`.
  """

  def __init__(self, task: dict[str, Any]):
    self._task = task
    self._model = transformers.AutoModelForCausalLM.from_pretrained(
      task['hugging_face'], dtype=torch.float32, local_files_only=True
    ).eval()
    prompts = task['prompts'][:_TRIAL_PROMPTS]
    self._versions = {
      **figures.versions(['torch', 'transformers']),
      'attention': self._model.config._attn_implementation,
      **choose_threads(lambda: self._batch(prompts, None, _TRIAL_TOKENS)),
    }

  def prepare(self, case: str, batch_size: int) -> dict[str, Any]:
    """Returns the answers with their end tokens."""
    return {
      'answers': self._generate(case, batch_size),
      'versions': self._versions,
    }

  def run(self, case: str, batch_size: int) -> None:
    """Answers all prompts."""
    self._generate(case, batch_size)

  def _generate(self, case: str, batch_size: int) -> list[list[int]]:
    prompts, end = self._task['prompts'], self._task['ends'][case]
    order = sorted(range(len(prompts)), key=lambda i: -len(prompts[i]))
    answers: list[list[int]] = [[] for _ in prompts]
    for start in range(0, len(order), batch_size):
      members = order[start : start + batch_size]
      tokens = self._batch(
        [prompts[i] for i in members], end, self._task['new_tokens']
      )
      for index, answer in zip(members, tokens, strict=True):
        answers[index] = answer
    return answers

  def _batch(
    self, prompts: Sequence[Sequence[int]], end: int | None, new_tokens: int
  ) -> list[list[int]]:
    longest = max(map(len, prompts))
    tokens = torch.zeros((len(prompts), longest), dtype=torch.long)
    mask = torch.zeros_like(tokens)
    for row, prompt in enumerate(prompts):
      tokens[row, longest - len(prompt) :] = torch.as_tensor(prompt)
      mask[row, longest - len(prompt) :] = 1
    # Where the argument is None, `generate` takes the model's own.
    self._model.generation_config.eos_token_id = end
    with torch.inference_mode():
      rows = self._model.generate(
        tokens,
        attention_mask=mask,
        generation_config=transformers.GenerationConfig(
          do_sample=False,
          max_new_tokens=new_tokens,
          eos_token_id=end,
          pad_token_id=0,
        ),
      )
    return [
      row[: row.index(end) + 1] if end in row else row
      for row in rows[:, longest:].tolist()
    ]


if __name__ == '__main__':
  serve(TransformersSide)
