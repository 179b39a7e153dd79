"""The server of the benchmark, in a process of its own."""

from collections.abc import Iterator, Sequence
import contextlib
import os
import pathlib
import re
import subprocess
import sys

import httpx2

_CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def started(flags: Sequence[str], folder: pathlib.Path) -> Iterator[str]:
  """Yields the address of `flan-jax serve FLAGS`; ends it by SIGTERM.

  Raises:
    RuntimeError: It did not start, or did not exit with 0.
  """
  paths = (str(_CHECKOUT), os.environ.get('PYTHONPATH'))
  with open(folder / 'server.log', 'w+', encoding='utf-8') as log:
    process = subprocess.Popen(
      [sys.executable, '-m', 'flan_jax', 'serve', '--port=0', *flags],
      env={
        **os.environ,
        'PYTHONPATH': os.pathsep.join(filter(None, paths)),
        'PYTHONUNBUFFERED': '1',
      },
      stdout=subprocess.PIPE,
      stderr=log,
      text=True,
    )
    try:
      for line in process.stdout:
        if found := re.search(r'on (http://\S+)', line):
          yield found[1]
          break
      process.terminate()
      if process.wait(timeout=180):
        raise RuntimeError(f'the server ended with {process.returncode}')
    finally:
      process.kill()
      process.wait()
      log.seek(0)
      print(log.read()[-2000:], file=sys.stderr, end='')


def resident_mib(address: str) -> float:
  """Returns the memory of the server's process in MiB."""
  text = httpx2.get(f'{address}/metrics', timeout=60).text
  found = re.search(r'^process_resident_memory_bytes (\S+)$', text, re.M)
  return round(float(found[1]) / 2**20, 1)
