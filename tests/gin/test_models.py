"""The shipped model and hardware files."""

import math
import pathlib
import re

import gin
import jax
import pytest

from flan_jax import config
from flan_jax.flags import Arguments
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.planning.topology import Topology

_FOLDER = config.shipped_gin_dir()
_MODELS = sorted(path.name for path in (_FOLDER / 'models').glob('*.gin'))
_HARDWARE = sorted(path.name for path in (_FOLDER / 'hardware').glob('*.gin'))
_FLAN = {
  'flan_422m.gin': 422e6,
  'flan_2b.gin': 2e9,
  'flan_8b.gin': 8e9,
  'flan_68b.gin': 68e9,
  'flan_137b.gin': 137e9,
}


@pytest.fixture(autouse=True)
def _clean_gin():
  gin.clear_config()
  yield
  gin.clear_config()


def _model(*files: str, run: str = 'plan') -> DecoderConfig:
  config.parse(Arguments(gin_files=files), run)
  return DecoderConfig(**gin.get_bindings('DecoderConfig'))


@pytest.mark.parametrize('name', _MODELS)
def test_a_model_file_states_its_parameters(name):
  model = _model(f'models/{name}')
  stated = re.search(
    r'^# Parameters: ([\d,]+)$',
    pathlib.Path(_FOLDER / 'models' / name).read_text(),
    re.MULTILINE,
  )
  shapes = jax.tree.leaves(abstract_params(model))
  count = sum(math.prod(leaf.shape) for leaf in shapes)
  assert f'{count:,}' == stated[1]
  assert count == model.param_count()


@pytest.mark.parametrize('name', _MODELS)
def test_every_model_can_be_trained(name):
  config.parse(
    Arguments(
      gin_files=('runs/train.gin', f'models/{name}'),
      bindings=("MIXTURE_OR_TASK_NAME = 'rte'", "MODEL_DIR = 'somewhere'"),
    ),
    'train',
  )


@pytest.mark.parametrize('name', sorted(_FLAN))
def test_the_sizes_of_flan_exclude_the_tables(name):
  model = _model(f'models/{name}')
  tables = 2 * model.vocab_size * model.d_model
  assert model.param_count() - tables == pytest.approx(_FLAN[name], rel=0.08)


@pytest.mark.parametrize('name', _MODELS)
def test_large_models_are_scanned_and_rematerialized(name):
  model = _model(f'models/{name}')
  if model.param_count() > 1e9:
    assert model.scan_layers
    assert model.remat == 'full'
    assert model.compute_dtype == 'bfloat16'


@pytest.mark.parametrize('name', _HARDWARE)
def test_hardware_keeps_the_batch(name):
  _model('runs/plan.gin', 'models/flan_8b.gin', f'hardware/{name}')
  topology = Topology.parse(gin.query_parameter('%HARDWARE'))
  sizes = [
    gin.query_parameter(f'%MESH_{axis}') for axis in ('DATA', 'FSDP', 'MODEL')
  ]
  if -1 not in sizes:
    assert math.prod(sizes) == topology.devices
  # The paper's 8,192 tokens a batch: hardware does not change what is learned.
  assert gin.query_parameter('%BATCH_ROWS') == 4
  assert gin.query_parameter('%PACK_LENGTH') == 2048
  # Every group of devices that reads its own rows has at least one.
  assert 4 % (abs(sizes[0]) * sizes[1]) == 0
