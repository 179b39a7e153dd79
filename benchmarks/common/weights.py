"""The same weights for this project and for `transformers`."""

import pathlib
import shutil
from typing import Any

from jax.sharding import Mesh

from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.training.checkpoint import Checkpointer

# Of SmolLM2, as in `gin/models/smollm2_135m.gin`.
PROMPT_FORMAT = '{input} '


def open_model(source: str, folder: pathlib.Path) -> list[pathlib.Path]:
  """Imports a model and exports it in float32, unless that has been done.

  Args:
    source: As in `flan-jax import --from`.
    folder: Keeps both.

  Returns:
    The checkpoint, and the folder for `transformers`.
  """
  from flan_jax.runs import export_weights, import_weights

  name = pathlib.PurePath(source).name
  folder = folder / 'models' / name
  if not folder.exists():
    unfinished = folder.with_name(f'{name}.unfinished')
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    checkpoint, exported = unfinished / 'imported', unfinished / 'exported'
    import_weights.main([f'--from={source}', f'--out={checkpoint}'])
    export_weights.main(
      [f'--checkpoint={checkpoint}', f'--out={exported}', '--dtype=float32']
    )
    unfinished.rename(folder)
  return [folder / 'imported', folder / 'exported']


def restore(checkpoint: str) -> tuple[DecoderConfig, Mesh, Any]:
  """Returns the model, a mesh, and the parameters of a checkpoint on it."""
  mesh = make_mesh(MeshConfig())
  config = DecoderConfig(**Checkpointer.read_record(checkpoint)['model'])
  params = Checkpointer.restore_params(
    checkpoint, abstract_params(config, mesh)
  )
  return config, mesh, params
