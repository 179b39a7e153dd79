"""The memory of a device that a compiled program needs, by kind."""

from collections.abc import Iterator
import re

import jax

from flan_jax.planning.hlo import Array, Program
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
  rest of the data, and `code` the program itself.
  """
  stats = compiled.memory_analysis()
  total = (
    stats.argument_size_in_bytes
    + stats.output_size_in_bytes
    - stats.alias_size_in_bytes
    + stats.temp_size_in_bytes
  )
  temporary = {}
  if program == 'train':
    copies = 1 if request.microbatches == 1 else 2
    temporary['gradients'] = copies * lowered.given['parameters']
  layers = request.model.num_layers
  temporary['activations'] = sum(
    array.bytes for array in _stacks(parsed, layers, changed=True)
  )
  temporary['weight_copies'] = sum(
    array.bytes
    for array in _stacks(parsed, layers, changed=False)
    if array.dtype != 'f32'
  )
  kinds = dict(lowered.given)
  left = max(0, total - sum(kinds.values()))
  for kind, size in temporary.items():
    kinds[kind] = min(size, left)
    left -= kinds[kind]
  return {
    **kinds,
    'workspace': left,
    'code': stats.generated_code_size_in_bytes,
  }


def _stacks(parsed: Program, layers: int, changed: bool) -> Iterator[Array]:
  """Yields the arrays per layer that the forward pass carries."""
  # The forward pass is the first loop over the layers.
  loops = [loop for loop in parsed.loops() if loop.count == layers > 1]
  if not loops:
    return
  for array, differs in loops[0].carried():
    if array.dims[:1] == (layers,) and differs == changed:
      yield array


def memory_used(message: str, given: int) -> int | None:
  """Returns the bytes that a program needs, from a compiler's error.

  >>> error = 'RESOURCE_EXHAUSTED: … the total memory required for '
  >>> error += 'HLO temporaries (41.00G) exceeds available HBM (15.75G).'
  >>> memory_used(error, given=2**30) / 2**30
  42.0
  >>> memory_used('RESOURCE_EXHAUSTED: … Used 17.5G of 16.00G hbm.', 0) / 2**30
  17.5

  Args:
    message: Message of the error.
    given: Bytes of the program's inputs, which temporaries do not include.

  Returns:
    None if the error is about something else.
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
