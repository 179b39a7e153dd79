"""Instruction tuning as in FLAN, in JAX."""

import importlib as _importlib
import pathlib as _pathlib
from typing import Any as _Any

__version__ = '0.1.0'

# `tasks/`, `mixtures/` and `gin/` are next to this folder in a checkout, and
# inside it once installed (`package_dir` in setup.py). In a checkout, also look
# for `flan_jax.tasks` and `flan_jax.mixtures` there: legacy `setup.py develop`,
# strict editable installs and running without an install need it.
_ROOT = _pathlib.Path(__file__).resolve().parent.parent
if (_ROOT / 'setup.py').exists() and (_ROOT / 'tasks/__init__.py').exists():
  __path__.append(str(_ROOT))

# Imported on first use, so that `import flan_jax` takes no time.
_LAZY = {
  'CacheConfig': 'flan_jax.cache.framing',
  'OptimizerConfig': 'flan_jax.training.optimizer',
  'PackingConfig': 'flan_jax.batches.loader',
  'Sampling': 'flan_jax.evaluation.generation.sampling',
  'Template': 'flan_jax.definitions.template',
  'dataset': 'flan_jax.sources.own_dataset',
  'generate': 'flan_jax.interop.loaded_model',
  'import_model': 'flan_jax.runs.from_python',
  'load_model': 'flan_jax.interop.loaded_model',
  'rank': 'flan_jax.interop.loaded_model',
  'render': 'flan_jax.runs.from_python',
  'train': 'flan_jax.runs.from_python',
}
__all__ = [
  'CacheConfig',
  'OptimizerConfig',
  'PackingConfig',
  'Sampling',
  'Template',
  'dataset',
  'generate',
  'import_model',
  'load_model',
  'rank',
  'render',
  'train',
]


def __getattr__(name: str) -> _Any:
  if name not in _LAZY:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(_importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
  return sorted([*globals(), *_LAZY])
