"""Keeps compiled programs on disk for later runs."""

import hashlib
import os
import pathlib
import platform

import jax

from flan_jax.runtime.paths import user_path

_CPU_INFO = pathlib.Path('/proc/cpuinfo')


def keep_compiled(folder: str | None) -> None:
  """Turns on JAX's persistent compilation cache; call before the first compile.

  COMPILATION_CACHE_DIR, if set, gets a folder for each kind of host. JAX's own
  setting, JAX_COMPILATION_CACHE_DIR, takes precedence.
  """
  if not folder or jax.config.jax_compilation_cache_dir:
    return
  path = user_path(folder) / host_kind()
  jax.config.update('jax_compilation_cache_dir', os.fspath(path))


def host_kind() -> str:
  """Returns a name that is equal on hosts that can run each other's programs.

  JAX's cache key lacks the CPU instructions of a program. In a shared home, a
  host could load a program that it cannot run.
  """
  features = platform.processor()
  if _CPU_INFO.exists():
    lines = _CPU_INFO.read_text(encoding='utf-8').splitlines()
    names = ('flags', 'Features')  # on x86 and on ARM
    found = [line for line in lines if line.startswith(names)]
    features = found[0] if found else features
  digest = hashlib.sha256(features.encode()).hexdigest()[:8]
  return f'{platform.machine()}-{digest}'
