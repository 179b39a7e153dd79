"""Device meshes, and the sharding of arrays over them."""

from flan_jax.sharding.mesh import (
  MeshConfig,
  batch_shards,
  check_batch,
  make_mesh,
)
from flan_jax.sharding.rules import batch_sharding, place, replicated
