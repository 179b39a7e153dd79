"""The memory of a device that a compiled program needs, by kind."""

import re

import jax

from flan_jax.planning.hlo import Program
from flan_jax.planning.programs import Lowered
from flan_jax.planning.request import Request

_UNITS = {'': 1, 'K': 2**10, 'M': 2**20, 'G': 2**30, 'T': 2**40}


def memory(
  request: Request,
  program: str,
  lowered: Lowered,
  compiled: jax.stages.Compiled,
  parsed: Program,
) -> dict[str, int]:
  """Returns the bytes of a device that a program needs, by kind.

  They add up to what the compiler allocates. Inputs are `parameters`,
  `optimizer_state` and `batch`. Training adds `gradients`, twice if
  microbatches are summed. Loops over layers add `activations`, kept for the
  backward pass, and `weight_copies` in the compute type. `workspace` is the
  rest of the data, and `code` the program itself. Generation has the `cache` of
  its slots, and `prompts` that have been read and wait for one.
  """
  total = allocated(compiled)
  temporary = {}
  if program == 'train':
    copies = request.gradient_copies
    temporary['gradients'] = copies * lowered.gradients
  # Generation carries its cache.
  stacks = []
  if program != 'generate':
    stacks = _stacks(parsed, request.model.num_layers)
  temporary['activations'] = sum(a.bytes for a, changed in stacks if changed)
  temporary['weight_copies'] = sum(
    a.bytes for a, changed in stacks if not changed and a.dtype != 'f32'
  )
  kinds = dict(lowered.given)
  left = max(0, total - sum(kinds.values()))
  for kind, size in temporary.items():
    kinds[kind] = min(size, left)
    left -= kinds[kind]
  code = compiled.memory_analysis().generated_code_size_in_bytes
  return {**kinds, 'workspace': left, 'code': code, **lowered.beside}


def allocated(compiled: jax.stages.Compiled) -> int:
  """Returns the bytes of a device that a program's data takes."""
  stats = compiled.memory_analysis()
  return (
    stats.argument_size_in_bytes
    + stats.output_size_in_bytes
    - stats.alias_size_in_bytes
    + stats.temp_size_in_bytes
  )


def _stacks(parsed, layers):
  """Returns the arrays per layer that the forward pass carries."""
  for loop in parsed.loops():
    if loop.count == layers > 1:  # The first one is the forward pass.
      return [each for each in loop.carried() if each[0].dims[:1] == (layers,)]
  return []


def memory_used(message: str, given: int) -> int | None:
  """Returns the bytes that a program needs, from a compiler's error.

  >>> error = 'RESOURCE_EXHAUSTED: … the total memory required for '
  >>> error += 'HLO temporaries (41.00G) exceeds available HBM (15.75G).'
  >>> memory_used(error, given=2**30) / 2**30
  42.0
  >>> memory_used('RESOURCE_EXHAUSTED: … Used 17.5G of 16.00G hbm.', 0) / 2**30
  17.5

  Returns None if the error is about something else. Temporaries do not include
  the `given` bytes of the program's inputs.
  """
  if 'RESOURCE_EXHAUSTED' not in message:
    return None
  used = re.search(
    r'(?:[Uu]sed |required for [^()]*\()(\d+(?:\.\d+)?)([KMGT]?)', message
  )
  if used is None:
    return None
  size = int(float(used[1]) * _UNITS[used[2]])
  return size + (given if 'temporaries (' in message else 0)
