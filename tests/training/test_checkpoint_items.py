"""Checkpoints are found by path, and their digest notices every bit."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.runtime.paths import user_path
from flan_jax.training.checkpoint_items import (
  CheckpointError,
  complete_steps,
  find,
  params_digest,
)

_ARRAY = np.arange(8 * 4 * 4, dtype=np.float32).reshape(8, 4, 4)


def test_digest_changes_with_a_bit_and_with_swapped_arrays():
  tree = {'a': _ARRAY, 'b': _ARRAY + 1}
  changed = _ARRAY.copy()
  changed.view(np.uint32)[3, 2, 1] ^= 1
  digests = [
    params_digest(tree),
    params_digest({**tree, 'a': changed}),
    params_digest({'a': tree['b'], 'b': tree['a']}),
    params_digest({'a': jnp.bfloat16(_ARRAY), 'b': _ARRAY + 1}),
  ]
  assert len(set(digests)) == 4


def test_digest_does_not_depend_on_the_sharding():
  mesh = sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=4))
  spread = jax.device_put(_ARRAY, sharding.batch_sharding(mesh))
  assert params_digest({'a': spread}) == params_digest({'a': _ARRAY})


def test_incomplete_steps_are_not_found(tmp_path):
  folder = user_path(tmp_path)
  assert complete_steps(folder / 'absent') == []
  (folder / '7.orbax-checkpoint-tmp-1').mkdir()
  (folder / 'notes').mkdir()
  assert complete_steps(folder) == []
  with pytest.raises(CheckpointError, match='pass a checkpoint or a MODEL_DIR'):
    find(folder)
