"""Memory traffic of programs whose traffic is known."""

from flan_jax.planning.hlo import Program
from flan_jax.planning.traffic import traffic

_KB = 1024


def _program(body: str) -> Program:
  return Program(f'ENTRY %main (a: f32[256]) -> f32[256] {{\n{body}\n}}\n')


def test_operands_are_read_and_results_written():
  program = _program("""\
  %a = f32[256]{0} parameter(0)
  %b = f32[256]{0} bitcast(%a)
  ROOT %c = f32[256]{0} add(%a, %b)""")
  assert traffic(program) == 3 * _KB


def test_a_copy_into_the_chip_is_read_only():
  program = _program("""\
  %a = f32[256]{0} parameter(0)
  %s = (f32[256]{0:S(1)}, f32[256]{0}, u32[]{:S(2)}) copy-start(%a)
  %d = f32[256]{0:S(1)} copy-done(%s)
  ROOT %c = f32[256]{0} negate(%d)""")
  assert traffic(program) == 2 * _KB


# A scan: each iteration reads one of 64 weights and writes one of 64 results.
_SCAN = """\
%fused (w: f32[64,256], i: s32[]) -> f32[256] {
  %w = f32[64,256]{1,0} parameter(0)
  %i = s32[] parameter(1)
  %z = s32[] constant(0)
  %one = f32[1,256]{1,0} dynamic-slice(%w, %i, %z), dynamic_slice_sizes={1,256}
  ROOT %flat = f32[256]{0} bitcast(%one)
}

%nested (v: f32[64,256], j: s32[]) -> f32[256] {
  %j = s32[] parameter(1)
  %v = f32[64,256]{1,0} parameter(0)
  ROOT %f = f32[256]{0} fusion(%v, %j), kind=kLoop, calls=%fused
}

%keep (k: f32[64,256], r: f32[256], i2: s32[]) -> f32[64,256] {
  %k = f32[64,256]{1,0} parameter(0)
  %r = f32[256]{0} parameter(1)
  %i2 = s32[] parameter(2)
  %z2 = s32[] constant(0)
  %row = f32[1,256]{1,0} bitcast(%r)
  ROOT %put = f32[64,256]{1,0} dynamic-update-slice(%k, %row, %i2, %z2)
}

%body (t: STATE) -> STATE {
  %t = STATE parameter(0)
  %n = s32[]{:S(2)} get-tuple-element(%t), index=0
  %all = f32[64,256]{1,0} get-tuple-element(%t), index=1
  %kept = f32[64,256]{1,0} get-tuple-element(%t), index=2
  %x = f32[256]{0} fusion(%all, %n), kind=kOutput, calls=%nested
  %y = f32[64,256]{1,0} fusion(%kept, %x, %n), kind=kLoop, calls=%keep
  ROOT %u = STATE tuple(%n, %all, %y)
}

%cond (s: STATE) -> pred[] {
  %s = STATE parameter(0)
  ROOT %true = pred[]{:S(2)} constant(true)
}

ENTRY %main (a: STATE) -> f32[64,256] {
  %a = STATE parameter(0)
  %loop = STATE while(%a), condition=%cond, body=%body, COUNT
  ROOT %out = f32[64,256]{1,0} get-tuple-element(%loop), index=2
}
"""
_SCAN = _SCAN.replace('STATE', '(s32[], f32[64,256], f32[64,256])')
_SCAN = _SCAN.replace('COUNT', 'x={"known_trip_count":{"n":"64"}}')


def test_an_iteration_only_moves_its_slices():
  # An iteration reads a weight and writes it, reads that and writes it into its
  # place. (Scalars are within the chip.)
  assert traffic(Program(_SCAN)) == 64 * 4 * _KB
