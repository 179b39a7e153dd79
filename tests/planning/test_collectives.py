"""Counts and bytes of known collectives, as XLA compiles them."""

import functools
import types

import jax
import jax.numpy as jnp
from jax.sharding import PartitionSpec as P
import pytest

from flan_jax.planning.collectives import (
  by_kind,
  collectives,
  crosses_slices,
  first_group,
  links_share,
)
from flan_jax.planning.hlo import Program
from flan_jax.sharding import MeshConfig, make_mesh

_MESH = MeshConfig(data=1, fsdp=4, model=2)
# Bytes on one device: 8 x 128 float32.
_SIZE = 8 * 128 * 4


def _compiled(function):
  mesh = make_mesh(_MESH)
  mapped = jax.shard_map(
    function, mesh=mesh, in_specs=P('fsdp'), out_specs=P(), check_vma=False
  )
  x = jax.ShapeDtypeStruct((32, 128), jnp.float32)
  return Program(jax.jit(mapped).lower(x).compile().as_text())


@pytest.mark.parametrize(
  'function, kind, sent',
  [
    (lambda x: jax.lax.psum(x, 'fsdp'), 'all-reduce', 2 * _SIZE * 3 / 4),
    (lambda x: jax.lax.all_gather(x, 'fsdp'), 'all-gather', _SIZE * 3),
    (
      lambda x: jax.lax.psum_scatter(x, 'fsdp', tiled=True),
      'reduce-scatter',
      _SIZE * 3 / 4,
    ),
    (
      lambda x: jax.lax.all_to_all(x, 'fsdp', 0, 0, tiled=True),
      'all-to-all',
      _SIZE * 3 / 4,
    ),
    (
      lambda x: jax.lax.ppermute(x, 'fsdp', [(0, 1), (1, 2), (2, 3), (3, 0)]),
      'collective-permute',
      _SIZE,
    ),
  ],
)
def test_bytes_that_a_device_sends(function, kind, sent):
  found = collectives(_compiled(function), 8)
  assert by_kind(found) == {kind: {'count': 1, 'bytes': sent}}
  if kind != 'collective-permute':
    assert found[0].group == (0, 2, 4, 6)


def test_collectives_in_a_loop_count_its_iterations():
  def f(x):
    def layer(x, number):
      return jax.lax.psum(x, 'model') * number, None

    return jax.lax.scan(layer, x, jnp.arange(12.0))[0]

  found = by_kind(collectives(_compiled(f), 8))
  # Each of two devices sends half of the array twice.
  assert found['all-reduce'] == {'count': 12, 'bytes': 12 * _SIZE}


def test_a_fused_reduce_scatter_of_a_tpu_is_recognized():
  program = Program("""\
%all-reduce-scatter.1 (p: bf16[64,8]) -> bf16[16,8] {
  %p = bf16[64,8] parameter(0)
  %sum = bf16[64,8] all-reduce(%p), replica_groups=[2,4]<=[8], to_apply=%add
  ROOT %own = bf16[16,8] dynamic-slice(%sum), dynamic_slice_sizes={16,8}
}

ENTRY %main (a: bf16[64,8]) -> bf16[16,8] {
  %a = bf16[64,8] parameter(0)
  ROOT %f = bf16[16,8] fusion(%a), kind=kCustom, calls=%all-reduce-scatter.1
}
""")
  assert by_kind(collectives(program, 8)) == {
    'reduce-scatter': {'count': 1, 'bytes': 64 * 8 * 2 * 3 / 4}
  }


def test_a_split_collective_is_counted_once():
  piece = """\
%PIECE (p: bf16[64]) -> bf16[256] {
  %p = bf16[64] parameter(0)
  ROOT %g = bf16[256] all-gather(%p), channel_id=7, replica_groups=[2,4]<=[8]
}

"""
  program = Program(
    piece.replace('PIECE', 'start')
    + piece.replace('PIECE', 'done')
    + piece.replace('PIECE', 'other').replace('=7', '=8')
    + """\
ENTRY %main (a: bf16[64]) -> bf16[256] {
  %a = bf16[64] parameter(0)
  %s = bf16[256] fusion(%a), kind=kCustom, calls=%start
  %o = bf16[256] fusion(%a), kind=kCustom, calls=%other
  ROOT %d = bf16[256] fusion(%a), kind=kCustom, calls=%done
}
"""
  )
  assert by_kind(collectives(program, 8)) == {
    'all-gather': {'count': 2, 'bytes': 2 * 3 * 128}
  }


def test_an_asynchronous_collective_is_counted_once():
  program = Program("""\
ENTRY %main (a: f32[64]) -> f32[256] {
  %a = f32[64] parameter(0)
  %s = (f32[64], f32[256]) all-gather-start(%a), replica_groups={}
  ROOT %d = f32[256] all-gather-done(%s)
}
""")
  assert by_kind(collectives(program, 4)) == {
    'all-gather': {'count': 1, 'bytes': 3 * 256}
  }


@pytest.mark.parametrize(
  'text, group',
  [
    ('replica_groups={{0,4},{1,5}}, use', (0, 4)),
    ('replica_groups=[8,16]<=[128], use', tuple(range(16))),
    ('replica_groups=[4,2]<=[2,4]T(1,0), use', (0, 4)),
    ("replica_groups=mesh['x'=8,'y'=16] {'x'}, use", tuple(range(0, 128, 16))),
    (
      "replica_groups=mesh['a'=4,'b'=1,'c'=2], device_ids=([2,4]T(1,0)) {'a'}",
      (0, 1, 2, 3),
    ),
    ("replica_groups=mesh['a'=2,'b'=2,'c'=2] {'a','c'}", (0, 1, 4, 5)),
    ('replica_groups={}, use', tuple(range(8))),
  ],
)
def test_groups_in_all_notations(text, group):
  assert first_group(text, 8) == group


def _chip(x, y, core=0, slice_index=0):
  return types.SimpleNamespace(
    coords=(x, y, 0), core_on_chip=core, slice_index=slice_index
  )


def test_a_group_uses_the_links_of_its_axes():
  square = [_chip(x, y) for x in range(2) for y in range(2)]
  share = functools.partial(links_share, devices=square)
  assert share((0, 1)) == share((0, 2)) == 0.5
  assert share((0, 1, 2, 3)) == 1.0
  # Cores of one chip need no links; simulated devices have no coordinates.
  cores = [_chip(0, 0, core) for core in range(2)] + square
  assert links_share((0, 1), cores) is None
  assert links_share((0, 1), jax.devices()) == 1.0


def test_groups_may_cross_slices():
  devices = [_chip(0, 0), _chip(0, 1), _chip(0, 0, slice_index=1)]
  assert crosses_slices((0, 2), devices)
  assert not crosses_slices((0, 1), devices)
