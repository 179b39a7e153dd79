"""What decides a run or an evaluation of a study, as JSON, and its digest.

A finished run is taken for a cell only if both are equal: the settings, which
are known before anything is read, and the data, by the digests of its cached
splits.
"""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
from typing import Any

from flan_jax.cache.identity import SplitKey
from flan_jax.cache.storage import CacheError
from flan_jax.cache.store import CacheStore
from flan_jax.definitions.digests import digest
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.evaluation.contaminated import Contaminated
from flan_jax.evaluation.eval_config import EvalConfig

# Fields of settings that decide where and how fast something is computed, or
# what is reported meanwhile. Names are unique among the settings of a run.
_DO_NOT_DECIDE = frozenset(
  {
    'base_checkpoint',
    'cache_dir',
    'checkpoint_period',
    'compilation_cache',
    'data_dir',
    'eval_period',
    'evaluation',
    'examples',
    'initial_checkpoint',
    'keep_best',
    'keep_checkpoints',
    'local_checkpoint_dir',
    'local_checkpoint_period',
    'mesh',
    'model_dir',
    'record_prompts',
    'report',
    'require_held_out',
    # Without it, a run that skips a step would not finish.
    'skip_nonfinite',
    'tokens_per_batch',
    'trackers',
    'vocabulary',
  }
)


@dataclasses.dataclass(frozen=True)
class Decides:
  """All that decides a run or an evaluation.

  Attributes:
    settings: What is set, as JSON.
    data: Split -> digest of its cache, None for a split that is left out; or
      None if a split is not cached here, so that the data is not known.
  """

  settings: Mapping[str, Any]
  data: Mapping[str, str | None] | None

  @property
  def settings_digest(self) -> str:
    return digest(dict(self.settings), 16)

  @property
  def digest(self) -> str:
    if self.data is None:
      raise ValueError('the data is not known')
    return digest([dict(self.settings), dict(self.data)], 16)


def decided(settings: Any) -> dict[str, Any]:
  """Returns the fields of a dataclass that decide results, as JSON."""
  return _without(dataclasses.asdict(settings))


def _without(value: Any) -> Any:
  if isinstance(value, Mapping):
    return {
      key: _without(item)
      for key, item in value.items()
      if key not in _DO_NOT_DECIDE
    }
  if isinstance(value, tuple | list):
    return [_without(item) for item in value]
  return value


def asked(config: EvalConfig) -> dict[str, Any]:
  """Returns what an evaluation asks, as JSON, wherever its files are."""
  path = config.contaminated
  ids = path and Contaminated.read(path).ids
  by_part = ids and {part: sorted(rows) for part, rows in sorted(ids.items())}
  return {**decided(config), 'contaminated': by_part}


def members_of(plan: MixturePlan) -> list[list[Any]]:
  """Returns the members of a mixture as JSON."""
  return [
    [
      *(m.part.name, m.format, m.templates, m.shots, m.part.template_set),
      *(['train_rows'] if m.part.on_training_rows else []),
    ]
    for m in plan.members
  ]


def data_of(
  keys: Iterable[SplitKey], store: CacheStore
) -> dict[str, str | None] | None:
  """Returns the digests of cached splits, by the name of the split.

  Returns None if a split is not cached and may not be left out.
  """
  found: dict[str, str | None] = {}
  for key in keys:
    name = f'{key}{_templates(key.templates)}'
    try:
      found[name] = store.digest(key)
    except CacheError:
      if not store.allow_missing:
        return None
      found[name] = None
  return found


def _templates(templates: Sequence[int] | None) -> str:
  return '' if templates is None else f' {list(templates)}'
