"""What the device programs leave alone: idle slots, answers at their limit."""

import jax
import numpy as np
import pytest

from flan_jax.batches.packing import Capacity, Example, empty_batch, fill_row
from flan_jax.evaluation.generation.sampling import Draws
from flan_jax.evaluation.generation.slot_programs import (
  NOTHING,
  Firsts,
  SlotPrograms,
)
from flan_jax.model import init_params
from flan_jax.sharding import MeshConfig, make_mesh
from tests.evaluation.stub_models import tiny_config

_CONFIG = tiny_config()


@pytest.mark.slow
def test_only_active_slots_add_tokens_and_only_up_to_their_limit():
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  params = init_params(_CONFIG, 0, mesh)
  programs = SlotPrograms(_CONFIG, mesh, [-1], _CONFIG.vocab_size)
  batch = empty_batch(1, Capacity(64, 1, 8))
  fill_row(batch, 0, [Example([5, 6, 7], ())])
  params = programs.lay_out(params)
  firsts = Firsts(
    *np.array([[2], [0]], np.int32), Draws.of([None], [0]), np.array([False])
  )
  first, read = programs.prefill(params, 64, batch, firsts)
  places = np.array([[1], [0], [0]], np.int32)
  cache = programs.insert(programs.empty(3, 64), read, None, places)
  slots = {'draws': Draws.of([None] * 3, [0] * 3), 'asked': np.zeros(3, bool)}
  slots['token'] = np.array([0, int(first.tokens[0]), 0], np.int32)
  slots['position'] = np.array([0, 3, 0], np.int32)
  slots['made'] = np.array([0, 1, 0], np.int32)
  slots['limit'] = np.array([9, 4, 9], np.int32)
  slots['active'] = np.array([False, True, False])
  _, added = programs.advance(params, 64, cache, slots, wake=3)
  made_B = np.sum(np.asarray(added.tokens) != NOTHING, axis=0)
  assert made_B.tolist() == [0, 3, 0]
