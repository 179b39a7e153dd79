"""Parses the text of a compiled XLA program.

XLA's own cost analysis counts the body of a loop once, whether 2 or 64 layers
are scanned. Here loops are multiplied by their number of iterations.
"""

from collections.abc import Iterator
import dataclasses
import math
import re

_BITS = {'pred': 8, 'token': 0, 'opaque': 0}
_ARRAY = re.compile(r'\b([a-z]\w*)\[([\d,<=]*)\](?:\{([^{}]*)\})?')
_NAME = re.compile(r'%([\w.\-]+)')
_COMMENT = re.compile(r'/\*.*?\*/')
_HEADER = re.compile(r'(ENTRY )?%([\w.\-]+) \(.*\{$')
_CALLED = re.compile(
  r'\b(calls|body|condition|to_apply|\w+_computations?)='
  r'(\{[^{}]*\}|%[\w.\-]+)'
)
_TRIP_COUNT = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
# Opcodes whose parentheses hold a number, not operands.
_LITERAL = ('constant', 'parameter')


@dataclasses.dataclass(frozen=True)
class Array:
  """An array, or an element of a tuple."""

  dtype: str  # As XLA writes it, for example `bf16`.
  dims: tuple[int, ...]  # Sizes on one device.
  in_memory: bool = True  # In main memory (HBM) and not within the chip.

  @property
  def bytes(self) -> int:
    digits = re.search(r'\d+', self.dtype)
    bits = int(digits[0]) if digits else _BITS[self.dtype]
    return math.prod(self.dims) * bits // 8


@dataclasses.dataclass(frozen=True)
class Instruction:
  """One instruction."""

  name: str  # Unique in its computation.
  opcode: str  # For example `all-gather` or `fusion`.
  arrays: tuple[Array, ...]  # Its result, several arrays for a tuple.
  operands: tuple[str, ...]  # Names of instructions of the same computation.
  called: dict[str, tuple[str, ...]]  # Attribute -> names of computations.
  text: str  # Everything after the opcode.

  @property
  def bytes(self) -> int:
    """Bytes of the result in main memory."""
    return sum(array.bytes for array in self.arrays if array.in_memory)

  @property
  def index(self) -> int | None:
    """The tuple element that it takes; None for other instructions."""
    if self.opcode != 'get-tuple-element':
      return None
    return int(re.search(r'\bindex=(\d+)', self.text)[1])


@dataclasses.dataclass(frozen=True)
class Computation:
  """A function of the program."""

  name: str  # Unique in the program.
  instructions: dict[str, Instruction]  # By name, in order.
  root: Instruction  # The instruction whose result is returned.

  def operands(self, instruction: Instruction) -> list[Instruction]:
    return [self.instructions[name] for name in instruction.operands]

  def source(self, name: str) -> Instruction:
    """Returns the instruction behind any chain of copies."""
    instruction = self.instructions[name]
    while instruction.opcode == 'copy':
      instruction = self.instructions[instruction.operands[0]]
    return instruction

  def users(self, instruction: Instruction) -> list[Instruction]:
    name = instruction.name
    return [i for i in self.instructions.values() if name in i.operands]


@dataclasses.dataclass(frozen=True)
class Loop:
  """A `while` instruction."""

  instruction: Instruction
  body: Computation
  count: int | None  # Iterations; None if the text does not tell.
  times: int  # How often the loop itself runs.

  def carried(self) -> Iterator[tuple[Array, bool]]:
    """Yields each carried array, and whether iterations change it."""
    root = self.body.root
    for place, array in enumerate(self.instruction.arrays):
      source = self.body.source(root.operands[place])
      yield array, source.index != place


class Program:
  """A compiled program of one device: its computations and where it starts."""

  def __init__(self, text: str):
    """Parses the result of `jax.stages.Compiled.as_text`.

    Raises:
      ValueError: The text holds no program.
    """
    self.computations = {}
    entry, header, lines = None, None, []
    for line in text.splitlines():
      if header is None:
        header, lines = _HEADER.match(line), []
      elif line == '}' or line.startswith('}, '):
        computation = _computation(header[2], lines)
        self.computations[computation.name] = computation
        entry = computation if header[1] else entry
        header = None
      elif line.startswith(' '):
        lines.append(line)
      else:  # The metadata of a Pallas kernel contains line breaks.
        lines[-1] += line
    if entry is None:
      raise ValueError('no entry computation in the text of the program')
    self.entry: Computation = entry

  def executed(self) -> Iterator[tuple[Computation, int]]:
    """Yields each computation that runs, and how often, from the entry on.

    Computations within a fusion or applied to single elements belong to their
    instruction and are left out.
    """
    todo = [(self.entry, 1)]
    while todo:
      computation, times = todo.pop()
      yield computation, times
      for instruction in computation.instructions.values():
        todo.extend(self._runs(computation, instruction, times))

  def fused(self, fusion: Instruction) -> Computation:
    return self.computations[fusion.called['calls'][0]]

  def loops(self) -> list[Loop]:
    """Returns the loops, outer before inner, otherwise in order."""
    return [
      Loop(
        instruction,
        self.computations[instruction.called['body'][0]],
        self._trip_count(computation, instruction),
        times,
      )
      for computation, times in self.executed()
      for instruction in computation.instructions.values()
      if instruction.opcode == 'while'
    ]

  def _runs(self, computation, instruction, times):
    """Yields the computations that an instruction runs, and how often."""
    if instruction.opcode == 'fusion':
      return
    repeats = 1
    if instruction.opcode == 'while':
      repeats = self._trip_count(computation, instruction) or 1
    for attribute, names in instruction.called.items():
      # `to_apply` mostly names a computation applied to single elements.
      if attribute != 'to_apply' or instruction.opcode == 'call':
        for name in names:
          yield self.computations[name], times * repeats

  def _trip_count(self, computation, loop):
    """Returns the iterations of a loop from a constant to a constant."""
    known = _TRIP_COUNT.search(loop.text)
    if known:
      return int(known[1])
    condition = self.computations[loop.called['condition'][0]]
    test = condition.root
    if test.opcode != 'compare' or 'direction=LT' not in test.text:
      return None
    place = condition.instructions[test.operands[0]].index
    limit = _constant(condition, test.operands[1])
    if limit is None or place is None:
      return None
    body = self.computations[loop.called['body'][0]]
    initial = computation.operands(loop)[0]
    start = _constant(computation, initial.operands[place])
    last = body.source(body.root.operands[place])
    steps = [_constant(body, name) for name in last.operands]
    steps = [step for step in steps if step is not None]
    if last.opcode != 'add' or start is None or len(steps) != 1:
      return None
    return max(0, -(-(limit - start) // steps[0]))


def _computation(name, lines):
  instructions, root = {}, None
  for line in lines:
    instruction = _instruction(line)
    instructions[instruction.name] = instruction
    if line.lstrip().startswith('ROOT '):
      root = instruction
  return Computation(name, instructions, root)


def _instruction(line):
  left, _, right = _COMMENT.sub('', line).strip().partition(' = ')
  shape, right = _split_shape(right)
  opcode, _, right = right.partition('(')
  end = _closing(right)
  inside, text = right[:end], right[end + 1 :]
  # Metadata is long and describes origin and scheduling.
  known = _TRIP_COUNT.search(text)
  text = text.partition(', metadata={')[0] + (f' {known[0]}' if known else '')
  return Instruction(
    name=left.removeprefix('ROOT ').removeprefix('%'),
    opcode=opcode,
    arrays=tuple(arrays(shape)),
    operands=tuple(_NAME.findall(inside)),
    called={
      attribute: tuple(_NAME.findall(names))
      for attribute, names in _CALLED.findall(text)
    },
    text=(inside if opcode in _LITERAL else '') + text,
  )


def _split_shape(text):
  """Splits off the type, which contains blanks only for a tuple."""
  if not text.startswith('('):
    shape, _, rest = text.partition(' ')
    return shape, rest
  end = _closing(text[1:]) + 2
  return text[:end], text[end + 1 :]


def _closing(text):
  """Returns the index of the parenthesis that closes the open one."""
  depth = 1
  for match in re.finditer(r'[()]', text):
    depth += 1 if match[0] == '(' else -1
    if depth == 0:
      return match.start()
  return len(text)


def arrays(shape: str) -> Iterator[Array]:
  """Yields the arrays of a type in XLA's notation.

  >>> [(a.dims, a.bytes) for a in arrays('(bf16[2,3]{1,0:T(8,128)}, pred[4])')]
  [((2, 3), 12), ((4,), 4)]
  """
  for dtype, dims, layout in _ARRAY.findall(shape):
    yield Array(
      dtype,
      tuple(int(d.removeprefix('<=')) for d in dims.split(',') if d),
      in_memory=not re.search(r'S\([1-9]', layout),
    )


def _constant(computation, name):
  """Returns the value of a scalar constant or a copy of one, else None."""
  instruction = computation.source(name)
  value = re.match(r'-?\d+', instruction.text)
  return int(value[0]) if value and instruction.opcode == 'constant' else None
