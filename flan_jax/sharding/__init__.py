"""Device meshes, and the sharding of arrays over them."""

from flan_jax.sharding.mesh import (
  MeshConfig,
  batch_shards,
  check_batch,
  make_mesh,
)
from flan_jax.sharding.rules import (
  RULES,
  batch_sharding,
  constrain,
  named_sharding,
  place,
  replicated,
  tree_shardings,
  with_shardings,
)

__all__ = [
  'RULES',
  'MeshConfig',
  'batch_sharding',
  'batch_shards',
  'check_batch',
  'constrain',
  'make_mesh',
  'named_sharding',
  'place',
  'replicated',
  'tree_shardings',
  'with_shardings',
]
