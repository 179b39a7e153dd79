"""Compiled programs kept on disk, where later runs find them."""

import hashlib
import os
import pathlib
import platform

import jax

_CPU_INFO = pathlib.Path('/proc/cpuinfo')


def keep_compiled(folder: str | None) -> None:
  """Turns on JAX's persistent compilation cache; call before the first compile.

  JAX's own setting, JAX_COMPILATION_CACHE_DIR, goes first.

  Args:
    folder: Where programs are kept (COMPILATION_CACHE_DIR), in a folder of its
      own for each kind of host; None keeps none.
  """
  if not folder or jax.config.jax_compilation_cache_dir:
    return
  folder = os.path.join(os.path.expanduser(folder), host_kind())
  jax.config.update('jax_compilation_cache_dir', folder)


def host_kind() -> str:
  """A name that hosts share if programs compiled on one run on the other.

  Programs for CPUs use the instructions that the host has, which is no part of
  JAX's key; in a home directory that hosts share, one would be given a program
  of another's that it cannot run.
  """
  features = platform.processor()
  if _CPU_INFO.exists():
    lines = _CPU_INFO.read_text(encoding='utf-8').splitlines()
    names = ('flags', 'Features')  # on x86 and on ARM
    found = [line for line in lines if line.startswith(names)]
    features = found[0] if found else features
  digest = hashlib.sha256(features.encode()).hexdigest()[:8]
  return f'{platform.machine()}-{digest}'
