"""A checkpoint of random weights."""

import dataclasses
import pathlib

import gin
import jax

from flan_jax import config, configurables
from flan_jax.model import DecoderConfig, init_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.vocabulary.load import MINI, load_vocabulary


def random_checkpoint(folder: pathlib.Path, gin_file: str) -> str:
  """Writes a checkpoint with random parameters of the shape in a gin file."""
  configurables.register()
  gin.parse_config_file(str(config.shipped_gin_dir() / gin_file))
  # By its name, because gin wraps the class.
  shape = gin.get_configurable('flan_jax.DecoderConfig')()
  assert isinstance(shape, DecoderConfig)
  path = folder / pathlib.PurePath(gin_file).stem
  if not path.exists():
    mesh = make_mesh(MeshConfig(), jax.devices()[:1])
    record = {
      'model': dataclasses.asdict(shape),
      'vocabulary': load_vocabulary(MINI).record(),
    }
    Checkpointer.save_params(path, init_params(shape, 0, mesh), record)
  return str(path)
