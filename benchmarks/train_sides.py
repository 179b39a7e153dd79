"""The sides of `train_step` by name, and their processes."""

from collections.abc import Mapping
import dataclasses
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

from benchmarks import train_shapes

OWN, OWN_LLAMA = 'flan_jax', 'flan_jax_llama'
TORCH = 'torch'
# A peer's module, and the variable that names an interpreter that has it.
JAX_PEERS = {
  't5x': 'FLAN_JAX_T5X_PYTHON',
  'nanodo': 'FLAN_JAX_NANODO_PYTHON',
  'maxtext': 'FLAN_JAX_MAXTEXT_PYTHON',
}
# No side: it shows what the machine can do.
MATMUL = 'matmul'
SIDES = (OWN, OWN_LLAMA, TORCH, *JAX_PEERS)

_CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
# Of what a failed process has said, in characters.
_LAST_WORDS = 2000


class SideError(RuntimeError):
  """A side could not do what it was told, memory among the reasons."""


def unavailable(name: str, platform: str) -> str | None:
  """Returns why a side cannot be measured here, None where it can."""
  if name in JAX_PEERS:
    variable = JAX_PEERS[name]
    if platform == 'gpu':
      return 'measured on a CPU only'
    if not os.environ.get(variable):
      return f'set {variable} to an interpreter that has it'
  if name == TORCH:
    if not all(map(importlib.util.find_spec, ('torch', 'transformers'))):
      return "needs PyTorch: pip install '.[reference]'"
    if platform == 'gpu' and not _torch_has_cuda():
      return 'this PyTorch has no CUDA'
  return None


class Process:
  """A side, stepping in a process of its own.

  Attributes:
    name: Of the side.
    facts: What it said of itself when it prepared a case; by its own keys.
  """

  def __init__(self, name: str, shape: train_shapes.Shape, platform: str):
    self.name = name
    self.facts: dict[str, Any] = {}
    self._log = tempfile.TemporaryFile('w+')
    self._folder = tempfile.TemporaryDirectory(prefix='train_step_')
    task = {'side': name, 'shape': dataclasses.asdict(shape)}
    interpreter, module = _program(name)
    self._process = subprocess.Popen(
      [interpreter, '-m', module, json.dumps(task)],
      cwd=_CHECKOUT,
      env=self._environment(platform),
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      stderr=self._log,
      text=True,
    )

  def prepare(self, case: str) -> None:
    """Compiles the step of a case and notes `facts`."""
    self.facts = self._ask(do='prepare', case=case)

  def step(self, steps: int) -> Mapping[str, float]:
    """Returns seconds and cpu_seconds of so many steps, and memory."""
    return self._ask(do='step', steps=steps)

  def matmul(self) -> float:
    """Returns the best rate of large matrix products, in FLOP/s.

    Of the process `MATMUL`, which does nothing else.
    """
    return self._ask(do='measure')['flops_per_second']

  def close(self) -> None:
    """Ends the process and waits for it."""
    self._process.stdin.close()
    try:
      self._process.wait(timeout=60)
    except subprocess.TimeoutExpired:
      self._process.kill()
      self._process.wait()
    self._process.stdout.close()
    self._log.close()
    self._folder.cleanup()

  def _environment(self, platform):
    environment = {
      **os.environ,
      'PYTHONPATH': os.pathsep.join(
        filter(None, (str(_CHECKOUT), os.environ.get('PYTHONPATH')))
      ),
      # Compiled anew each time: an interrupted run leaves broken files.
      'TORCHINDUCTOR_CACHE_DIR': self._folder.name,
      'TOKENIZERS_PARALLELISM': 'false',
    }
    if platform == 'cpu':
      environment |= {'CUDA_VISIBLE_DEVICES': '', 'JAX_PLATFORMS': 'cpu'}
    else:
      # Nobody else is there: more than the three quarters that JAX takes.
      environment.setdefault('XLA_PYTHON_CLIENT_MEM_FRACTION', '0.92')
    return environment

  def _ask(self, **request) -> dict[str, Any]:
    try:
      print(json.dumps(request), file=self._process.stdin, flush=True)
      line = self._process.stdout.readline()
    except BrokenPipeError:
      line = ''
    answer = json.loads(line) if line else {'error': self._last_words()}
    if 'error' in answer:
      raise SideError(f'{self.name}: {answer["error"]}')
    return answer

  def _last_words(self):
    self._process.wait()
    self._log.seek(0)
    said = self._log.read().strip()[-_LAST_WORDS:]
    return f'its process ended ({self._process.returncode}): {said}'


def _program(name: str) -> tuple[str, str]:
  """Returns the interpreter and the module of a side."""
  if name in JAX_PEERS:
    return os.environ[JAX_PEERS[name]], f'benchmarks.peer_{name}'
  modules = {TORCH: 'benchmarks.peer_torch', MATMUL: 'benchmarks.matmul_rate'}
  return sys.executable, modules.get(name, 'benchmarks.own_steps')


def _torch_has_cuda() -> bool:
  """Looks in another process: CUDA is not to be started in this one."""
  program = 'import torch; raise SystemExit(not torch.cuda.is_available())'
  finished = subprocess.run(
    [sys.executable, '-c', program], capture_output=True, check=False
  )
  return finished.returncode == 0
