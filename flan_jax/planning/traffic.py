"""Bytes that a compiled program moves to and from a device's main memory."""

from flan_jax.planning.hlo import Program

# These move nothing themselves; the traffic of a loop or call is in its body.
_FREE = (
  *('after-all', 'bitcast', 'call', 'conditional', 'constant', 'iota'),
  *('get-tuple-element', 'parameter', 'partition-id', 'replica-id'),
  *('tuple', 'while'),
)
_SLICES = ('dynamic-slice', 'slice', 'gather')
# May occur between an array and a slice of it.
_SAME_BYTES = ('bitcast', 'copy', 'convert', 'reshape', 'transpose')
_UPDATE = 'dynamic-update-slice'
# Ends an overlapped collective of a TPU, and moves nothing.
_ASYNC_DONE = 'AsyncCollectiveDone'


def traffic(program: Program) -> int:
  """Returns the bytes read and written per step, with loop iterations.

  Every instruction reads its operands and writes its result; if only a slice of
  an array is read or replaced, the slice counts. Padding of the last two
  dimensions to the chip's tiles does not count.
  """
  return sum(
    times * _moved(program, computation, instruction)
    for computation, times in program.executed()
    for instruction in computation.instructions.values()
    if instruction.opcode not in _FREE
    # Asynchronous instructions count where they start.
    and not instruction.opcode.endswith('-done')
  )


def _moved(program, computation, instruction):
  operands = computation.operands(instruction)
  if instruction.opcode == 'fusion':
    inside = program.fused(instruction)
    if _ASYNC_DONE in inside.root.text:
      return 0
    read = sum(
      min(operand.bytes, _read(program, inside, parameter))
      for operand, parameter in zip(operands, _parameters(inside), strict=True)
    )
    return read + _written(program, inside, instruction)
  if instruction.opcode in _SLICES:
    return 2 * instruction.bytes
  if instruction.opcode == _UPDATE:
    return 2 * operands[1].bytes
  if instruction.opcode.endswith('-start'):
    return _started(instruction, operands)
  return instruction.bytes + sum(operand.bytes for operand in operands)


def _started(instruction, operands):
  """Returns the bytes of an asynchronous copy, slice or collective.

  Its result may repeat its operands. A copy to memory within the chip only
  reads main memory.
  """
  given = [array for operand in operands for array in operand.arrays]
  made = list(instruction.arrays)
  for array in given:
    if array in made:
      made.remove(array)
  read = sum(array.bytes for array in given if array.in_memory)
  read = min(read, sum(array.bytes for array in made))
  return read + sum(array.bytes for array in made if array.in_memory)


def _parameters(inside):
  found = [i for i in inside.instructions.values() if i.opcode == 'parameter']
  return sorted(found, key=lambda i: int(i.text.partition(',')[0]))


def _read(program, inside, array):
  """Returns the bytes of an array that the instructions of a fusion read."""
  read = 0
  for user in inside.users(array):
    if user.opcode in _SLICES:
      read += user.bytes
    elif user.opcode == 'tuple':
      continue  # Handed on.
    elif user.opcode == _UPDATE and user.operands[0] == array.name:
      continue  # Replaced in place.
    elif user.opcode in _SAME_BYTES:
      read += _read(program, inside, user)
    elif user.opcode == 'fusion':
      nested = program.fused(user)
      given = zip(user.operands, _parameters(nested), strict=True)
      read += sum(
        _read(program, nested, p) for name, p in given if name == array.name
      )
    else:
      return array.bytes
  return read


def _written(program, inside, fusion):
  """Returns the bytes a fusion writes; replaced slices count as slices."""
  root = inside.root
  roots = inside.operands(root) if root.opcode == 'tuple' else [root]
  return sum(
    min(array.bytes, _replaced(program, inside, root, array.bytes))
    for array, root in zip(fusion.arrays, roots, strict=False)
    if array.in_memory
  )


def _replaced(program, inside, root, whole):
  """Returns the bytes in which a result differs from an operand."""
  while root.opcode in _SAME_BYTES:
    root = inside.operands(root)[0]
  if root.opcode == _UPDATE:
    return inside.operands(root)[1].bytes
  if root.opcode == 'parameter':
    return 0
  if root.opcode == 'fusion':
    nested = program.fused(root)
    return _replaced(program, nested, nested.root, whole)
  return whole
