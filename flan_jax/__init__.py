"""Instruction tuning as in FLAN, in JAX."""

import pathlib as _pathlib

__version__ = '0.1.0'

# `tasks/`, `mixtures/` and `gin/` are next to this folder in a checkout, and
# inside it once installed (`package_dir` in setup.py). In a checkout, also look
# for `flan_jax.tasks` and `flan_jax.mixtures` there: legacy `setup.py develop`,
# strict editable installs and running without an install need it.
_ROOT = _pathlib.Path(__file__).resolve().parent.parent
if (_ROOT / 'setup.py').exists() and (_ROOT / 'tasks/__init__.py').exists():
  __path__.append(str(_ROOT))
