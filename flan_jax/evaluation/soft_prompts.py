"""Soft prompts of several runs in one table, for one evaluation."""

from collections.abc import Mapping, Sequence
import dataclasses
import os
from typing import Any

import jax
import jax.numpy as jnp

from flan_jax.errors import ConfigError
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.model import soft_prompt
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.setting_types import Count, Text, check
from flan_jax.sharding import replicated
from flan_jax.training.checkpoint import Checkpointer, CheckpointError
from flan_jax.training.checkpoint_items import params_digest
from flan_jax.training.checkpoint_record import is_prompt
from flan_jax.training.part_checkpoint import check_base

# What the record of a prompt holds, which may be a stranger's.
_KEYS = {
  'base': {'checkpoint': Text, 'params_digest': int},
  'prompt': {'length': Count, 'parts': Mapping[Text, Text]},
}


@dataclasses.dataclass(frozen=True)
class SoftPrompt:
  """A trained prompt on disk.

  Attributes:
    path: Its checkpoint.
    record: What the checkpoint records; `prompt` and `base` among it.
  """

  path: str
  record: Mapping[str, Any]

  @classmethod
  def find(cls, path: str | os.PathLike) -> 'SoftPrompt':
    """Finds a prompt: a checkpoint, or the best or newest of a MODEL_DIR.

    Raises:
      CheckpointError: There is none.
      ConfigError: Its record lacks something.
    """
    found = Checkpointer.best_or_newest(path)
    record = Checkpointer.read_record(found)
    if not is_prompt(record):
      raise CheckpointError(
        f'{found} is not a soft prompt: name a MODEL_DIR of prompt-tune'
      )
    for name, keys in _KEYS.items():
      for key, kind in keys.items():
        value = record.get(name, {}).get(key)
        check(f'{key} of {name} in the record of {found}', kind, value)
    return cls(found, record)

  @property
  def length(self) -> int:
    return self.record['prompt']['length']

  @property
  def step(self) -> int | None:
    return Checkpointer.find(self.path)[1]

  def vectors(self, model: DecoderConfig, sharding: Any) -> jax.Array:
    """Reads the vectors [P, D]."""
    shape = (self.length, model.d_model)
    abstract = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=sharding)
    wanted = {soft_prompt.PROMPT: abstract}
    return Checkpointer.restore_params(self.path, wanted)[soft_prompt.PROMPT]


class SoftPrompts:
  """Prompts of several tasks, which one batch may mix.

  Attributes:
    prompts: The prompts, in the order of their vectors in the table.
  """

  def __init__(self, prompts: Sequence[SoftPrompt]):
    """Raises ConfigError if two prompts are for the same part."""
    self.prompts = tuple(prompts)
    self._of_part: dict[str, tuple[int, ...]] = {}
    self._of_dataset: dict[str, set[tuple[int, ...]]] = {}
    first, owner = 0, {}
    for prompt in prompts:
      ids = soft_prompt.prompt_ids(first, prompt.length)
      first += prompt.length
      for part, dataset in prompt.record['prompt']['parts'].items():
        if part in owner:
          raise ConfigError(
            f'PROMPTS_FROM: {owner[part]} and {prompt.path} are both prompts '
            f'for {part}: leave one out'
          )
        owner[part] = prompt.path
        self._of_part[part] = ids
        self._of_dataset.setdefault(dataset, set()).add(ids)

  @classmethod
  def read(cls, paths: Sequence[str]) -> 'SoftPrompts':
    """Finds the prompts of several runs; raises UserError if one is missing."""
    return cls([SoftPrompt.find(path) for path in paths])

  @property
  def base(self) -> str:
    """The checkpoint of the base model that the first one records."""
    return self.prompts[0].record['base']['checkpoint']

  def before(self, parts: Sequence[EvalPart]) -> list[EvalPart]:
    """Returns the parts, each with its own prompt.

    A part that is only evaluated, such as `mnli_matched`, has the prompt of its
    dataset.

    Raises:
      ConfigError: There is no prompt for a part.
    """
    ids = [self._ids(part) for part in parts]
    missing = [p.test.name for p, i in zip(parts, ids, strict=True) if not i]
    if missing:
      raise ConfigError(
        f'PROMPTS_FROM has no prompt for {", ".join(missing)}, only for '
        f'{", ".join(self._of_part)}: add the MODEL_DIR of its run'
      )
    return [
      dataclasses.replace(part, soft_prompt=own)
      for part, own in zip(parts, ids, strict=True)
    ]

  def _ids(self, part: EvalPart) -> tuple[int, ...]:
    """Returns the ids of a part's prompt; none if it has no prompt."""
    if part.test.name in self._of_part:
      return self._of_part[part.test.name]
    found = self._of_dataset.get(part.test.manifest['dataset'], set())
    return next(iter(found)) if len(found) == 1 else ()

  def add_to(
    self, params: Any, base: str, model: DecoderConfig, mesh: jax.sharding.Mesh
  ) -> Any:
    """Returns the parameters of a base model with the table of prompts.

    Raises:
      ConfigError: A prompt was trained on another base model.
    """
    digest, whole = params_digest(params), replicated(mesh)
    for prompt in self.prompts:
      check_base(prompt.record, digest, prompt.path, base)
    tables = [prompt.vectors(model, whole) for prompt in self.prompts]
    table = jax.jit(jnp.concatenate, out_shardings=whole)(tables)
    return {**params, soft_prompt.PROMPT: table}
