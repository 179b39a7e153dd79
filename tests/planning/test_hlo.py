"""Parsed programs match the programs they come from."""

import jax
import jax.numpy as jnp
import pytest

from flan_jax.planning.hlo import Program

# A loop in the notation of the TPU compiler; the condition tells its length.
_TPU_LOOP = """\
HloModule jit_f, is_scheduled=true

%cond (p.0: (s32[], f32[5,8])) -> pred[] {
  %p.0 = (s32[]{:T(256)}, f32[5,8]{1,0:T(8,128)}) parameter(0)
  %limit = s32[]{:T(256)} constant(11)
  %counter = s32[]{:T(256)} get-tuple-element(%p.0), index=0
  ROOT %lt = pred[]{:T(1024)} compare(%counter, %limit), direction=LT
}

%body (p.1: (s32[], f32[5,8])) -> (s32[], f32[5,8]) {
  %two = s32[] constant(2)
  %p.1 = (s32[]{:T(256)}, f32[5,8]{1,0:T(8,128)}) parameter(0)
  %c = s32[]{:T(256)} get-tuple-element(%p.1), index=0
  %x = f32[5,8]{1,0} get-tuple-element(%p.1), index=1, metadata={a="b("}
  %sum = s32[]{:T(256)S(6)} add(%c, %two)
  %next = s32[]{:T(256)} copy(%sum)
  ROOT %t = (s32[]{:T(256)}, /*index=1*/f32[5,8]{1,0:T(8,128)}) tuple(%next, %x)
}

ENTRY %main (a: f32[5,8]) -> f32[5,8] {
  %a = f32[5,8]{1,0:T(8,128)S(1)} parameter(0)
  %one = s32[] constant(1)
  %start = s32[] copy(%one)
  %init = (s32[], f32[5,8]{1,0}) tuple(%start, %a)
  %loop = (s32[], f32[5,8]{1,0}) while(%init), condition=%cond, body=%body
  ROOT %out = f32[5,8]{1,0:T(8,128)} get-tuple-element(%loop), index=1
}
"""


def test_the_condition_gives_the_length_of_a_loop():
  program = Program(_TPU_LOOP)
  (loop,) = program.loops()
  # 1, 3, 5, 7, 9.
  assert (loop.count, loop.times) == (5, 1)
  assert [changed for _, changed in loop.carried()] == [True, False]
  assert {c.name: times for c, times in program.executed()} == {
    'main': 1,
    'body': 5,
    'cond': 5,
  }


def test_arrays_within_the_chip_take_no_main_memory():
  entry = Program(_TPU_LOOP).entry
  assert entry.instructions['a'].bytes == 0
  assert entry.instructions['out'].bytes == 5 * 8 * 4
  assert [a.bytes for a in entry.instructions['loop'].arrays] == [4, 160]


def test_an_instruction_may_span_lines():
  # As Pallas kernels do.
  metadata = '%x), frontend_attributes={kernel_metadata={\n"a":"b"\n}}, x={}'
  program = Program(_TPU_LOOP.replace('%next, %x)', f'%next, {metadata}', 1))
  assert program.computations['body'].root.operands == ('next', 'x')
  (loop,) = program.loops()
  assert loop.count == 5


@pytest.mark.parametrize(
  'old, new',
  [
    ('direction=LT', 'direction=NE'),
    ('constant(11)', 'parameter(1)'),
    ('add(%c, %two)', 'multiply(%c, %two)'),
  ],
)
def test_a_loop_of_unknown_length_is_counted_once(old, new):
  program = Program(_TPU_LOOP.replace(old, new))
  (loop,) = program.loops()
  assert loop.count is None
  assert all(times == 1 for _, times in program.executed())


def test_nested_scans_of_a_real_program():
  def inner(x, weights):
    return jnp.tanh(x @ weights), x

  def outer(x, weights):
    return jax.lax.scan(inner, x, weights)

  def f(x, weights):
    return jax.lax.scan(outer, x, weights)

  x, weights = jnp.ones((4, 16)), jnp.ones((3, 7, 16, 16))
  program = Program(jax.jit(f).lower(x, weights).compile().as_text())
  assert [(loop.count, loop.times) for loop in program.loops()] == [
    (3, 1),
    (7, 3),
  ]
  # The outputs of the inner scan are told from its inputs.
  carried = dict(
    (array.dims, changed)
    for array, changed in program.loops()[1].carried()
    if array.dims[:1] == (7,)
  )
  assert carried == {(7, 4, 16): True, (7, 16, 16): False}


def test_text_without_a_program_is_an_error():
  with pytest.raises(ValueError, match='no entry'):
    Program('HloModule nothing\n')
