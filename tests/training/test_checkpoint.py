import json
import logging

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from flan_jax import sharding
from flan_jax.model import DecoderConfig, abstract_params
from flan_jax.training.averaging import averaged_params
from flan_jax.training.checkpoint import Checkpointer
from flan_jax.training.checkpoint_items import (
  CheckpointDamagedError,
  CheckpointError,
  CheckpointMismatchError,
)
from flan_jax.training.optimizer import (
  OptimizerConfig,
  make_optimizer,
  recorded,
)
from flan_jax.training.step import abstract_state, init_state

CONFIG = DecoderConfig(
  vocab_size=32,
  num_layers=2,
  d_model=16,
  d_ff=24,
  num_heads=4,
  num_kv_heads=2,
  head_dim=4,
  position='rope',
)
OPTIMIZER = make_optimizer(OptimizerConfig(min_dim_size_to_factor=16))


def make_mesh(*shape):
  devices = jax.devices()[: int(np.prod(shape))]
  return sharding.make_mesh(sharding.MeshConfig(*shape), devices)


@pytest.fixture(scope='module')
def state():
  """Returns a state without all-zero arrays."""
  made = init_state(CONFIG, OPTIMIZER, 1, make_mesh(2, 2, 2))
  rng = np.random.default_rng(0)

  def draw(leaf):
    values = rng.integers(1, 1 << 23, leaf.shape).astype(leaf.dtype)
    return jax.device_put(values, leaf.sharding)

  return jax.tree.map(draw, made)


@pytest.fixture(scope='module')
def abstract():
  return abstract_state(CONFIG, OPTIMIZER, make_mesh(2, 2, 2))


def assert_same_bits(got, expected):
  assert jax.tree.structure(got) == jax.tree.structure(expected)

  def compare(a, b):
    assert a.dtype == b.dtype
    np.testing.assert_array_equal(a, b)

  jax.tree.map(compare, got, expected)


def save_all(folder, state, *steps, keep=3):
  checkpointer = Checkpointer(folder, keep)
  for step in steps:
    numbered = {**state, 'step': jnp.full_like(state['step'], step)}
    checkpointer.save(step, numbered, {'data_order_digest': f'of {step}'})
  checkpointer.close()


def data_files(checkpoint, item):
  """Returns the files with the values of an item, perhaps repeated."""
  if item == 'record':
    return [checkpoint / item / 'metadata']
  found = [path for path in checkpoint.rglob(f'{item}/**/d/*')]
  assert found
  return found


def test_state_is_restored_bit_for_bit(tmp_path, state, abstract):
  save_all(tmp_path, state, 7)
  checkpointer = Checkpointer(tmp_path)
  got, record, step = checkpointer.restore_latest(abstract)
  assert (step, record) == (7, {'data_order_digest': 'of 7'})
  assert_same_bits(got, {**state, 'step': np.int32(7)})
  jax.tree.map(lambda a, b: a.sharding == b.sharding, got, abstract)
  checkpointer.close()


@pytest.mark.slow
def test_an_average_is_kept_apart_and_restored_alone(tmp_path, state):
  config = OptimizerConfig(
    optimizer='adamw', ema_decay=0.9, frozen=('embedding', 'layers/.*_norm')
  )
  optimizer, mesh = make_optimizer(config), make_mesh(2, 2, 2)
  copy = jax.tree.map(jnp.copy, state['params'])
  made = init_state(CONFIG, optimizer, 1, mesh, copy)
  average = jax.tree.map(lambda leaf: leaf + 1, made['opt_state'].average)
  made['opt_state'] = made['opt_state']._replace(average=average)
  checkpointer = Checkpointer(tmp_path)
  checkpointer.save(1, made, {'optimizer': recorded(config)})
  got, _, _ = checkpointer.restore_latest(
    abstract_state(CONFIG, optimizer, mesh)
  )
  checkpointer.close()
  assert_same_bits(got, made)
  shapes = abstract_params(CONFIG, make_mesh(8, 1, 1))
  params = Checkpointer.restore_params(tmp_path, shapes)
  assert_same_bits(params, made['params'])
  params = Checkpointer.restore_params(tmp_path, shapes, average=True)
  assert_same_bits(params, averaged_params(made))
  save_all(tmp_path / 'without', state, 1)
  with pytest.raises(CheckpointError, match='train with EMA_DECAY'):
    Checkpointer.restore_params(tmp_path / 'without', shapes, average=True)


def test_state_is_restored_on_another_mesh(tmp_path, state):
  save_all(tmp_path, state, 7)
  mesh = make_mesh(1, 1, 2)
  checkpointer = Checkpointer(tmp_path)
  got, _, _ = checkpointer.restore_latest(
    abstract_state(CONFIG, OPTIMIZER, mesh)
  )
  checkpointer.close()
  assert_same_bits(got, {**state, 'step': np.int32(7)})
  query = got['params']['layers']['query']
  assert query.sharding.mesh.shape == mesh.shape
  params = Checkpointer.restore_params(
    tmp_path, abstract_params(CONFIG, make_mesh(8, 1, 1))
  )
  assert_same_bits(params, state['params'])


def test_state_may_be_donated_while_it_is_written(tmp_path, state):
  # The train step donates its state; the checkpoint must hold the old values.
  copy = jax.tree.map(jnp.copy, state['params'])
  checkpointer = Checkpointer(tmp_path)
  checkpointer.save(1, {**state, 'params': copy}, {})
  negate = jax.jit(
    lambda tree: jax.tree.map(jnp.negative, tree), donate_argnums=0
  )
  jax.block_until_ready(negate(copy))
  checkpointer.close()
  got = Checkpointer.restore_params(
    tmp_path, abstract_params(CONFIG, make_mesh(2, 2, 2))
  )
  assert_same_bits(got, state['params'])


@pytest.mark.slow
def test_best_is_kept_besides_the_newest(tmp_path, state):
  with pytest.raises(CheckpointError, match='train with KEEP_BEST'):
    Checkpointer.best(tmp_path)
  checkpointer = Checkpointer(tmp_path, keep=1, best=True)
  for step, score in ((1, 50.0), (2, 70.0), (3, 60.0), (4, None)):
    checkpointer.save(step, state, {}, score)
  checkpointer.finish()
  checkpointer.close()
  assert [path.name for path in Checkpointer.paths(tmp_path)] == ['2', '4']
  assert Checkpointer.best(tmp_path).endswith('/checkpoints/2')


def test_newest_are_kept(tmp_path, state):
  save_all(tmp_path, state, 1, 2, 3, 4, keep=2)
  # The newest does not count before it is verified.
  checkpointer = Checkpointer(tmp_path, keep=2)
  assert checkpointer.steps() == [2, 3, 4]
  checkpointer.finish()
  assert checkpointer.steps() == [3, 4]
  with pytest.raises(CheckpointError, match='step 4 or later'):
    checkpointer.save(4, state, {})
  checkpointer.close()


def test_nothing_is_deleted_for_a_checkpoint_that_cannot_be_read(
  tmp_path, state, caplog
):
  checkpointer = Checkpointer(tmp_path, keep=1)
  checkpointer.save(1, state, {})
  checkpointer.save(2, state, {})
  checkpointer.wait()
  (tmp_path / 'checkpoints/2/params/_METADATA').unlink()
  checkpointer.save(3, state, {})
  checkpointer.wait()
  assert checkpointer.steps() == [1, 2, 3]
  assert 'checkpoints/2 cannot be read, older ones are kept' in caplog.text
  checkpointer.finish()
  assert checkpointer.steps() == [2, 3]
  checkpointer.close()


def truncate(path):
  path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(bytes(data))


def remove(path):
  path.unlink()


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
  'item, damage',
  [
    # `tests/e2e/damage_campaign.py` has all files.
    ('params', flip_a_bit),
    ('training', truncate),
    ('record', remove),
  ],
)
def test_damaged_checkpoint_is_skipped(
  tmp_path, state, abstract, caplog, item, damage
):
  save_all(tmp_path, state, 10, 20)
  newest = tmp_path / 'checkpoints' / '20'
  for path in data_files(newest, item):
    damage(path)
  checkpointer = Checkpointer(tmp_path)
  with caplog.at_level(logging.WARNING):
    got, record, step = checkpointer.restore_latest(abstract)
  assert (step, record['data_order_digest']) == (10, 'of 10')
  assert_same_bits(got['params'], state['params'])
  assert f'{newest} is damaged' in caplog.text
  # The run can save the same step again; the damaged checkpoint is kept.
  checkpointer.save(20, state, {'data_order_digest': 'new'})
  checkpointer.wait()
  assert checkpointer.steps() == [10, 20]
  checkpointer.close()
  assert (tmp_path / 'checkpoints' / '20.damaged').exists()


def test_no_intact_checkpoint_is_an_error(tmp_path, state, abstract):
  # Starting again would silently discard a run.
  save_all(tmp_path, state, 10)
  for path in data_files(tmp_path / 'checkpoints' / '10', 'params'):
    truncate(path)
  checkpointer = Checkpointer(tmp_path)
  with pytest.raises(CheckpointDamagedError, match='all checkpoints'):
    checkpointer.restore_latest(abstract)
  checkpointer.close()
  with pytest.raises(CheckpointDamagedError, match=r'cannot be read|as it was'):
    Checkpointer.restore_params(tmp_path, abstract['params'])


def test_killed_save_is_not_a_checkpoint(tmp_path, state, abstract):
  save_all(tmp_path, state, 10)
  complete = tmp_path / 'checkpoints' / '10'
  complete.rename(complete.with_name('10.orbax-checkpoint-tmp-123'))
  with pytest.raises(CheckpointError):
    Checkpointer.restore_params(tmp_path, abstract['params'])
  checkpointer = Checkpointer(tmp_path)
  assert checkpointer.steps() == []
  assert checkpointer.restore_latest(abstract) is None
  checkpointer.close()


def test_mismatches_are_listed_by_name(tmp_path, state):
  save_all(tmp_path, state, 10)
  other = DecoderConfig(
    vocab_size=32,
    num_layers=2,
    d_model=16,
    d_ff=48,
    num_heads=4,
    num_kv_heads=2,
    head_dim=4,
    tie_embeddings=True,
  )
  mesh = make_mesh(2, 2, 2)
  expected = [
    'layers/up: (2, 16, 24) in the checkpoint, (2, 16, 48) wanted',
    'layers/down: (2, 24, 16) in the checkpoint, (2, 48, 16) wanted',
    'relative_bias: missing in the checkpoint',
    'unembedding: (16, 32) in the checkpoint, nothing wanted',
  ]
  with pytest.raises(CheckpointMismatchError) as caught:
    Checkpointer.restore_params(tmp_path, abstract_params(other, mesh))
  for line in expected:
    assert line in str(caught.value)
  assert 'embedding: (' not in str(caught.value).replace('unembedding', '')
  # When resuming, this is a user's mistake, not a damaged checkpoint.
  checkpointer = Checkpointer(tmp_path)
  with pytest.raises(CheckpointMismatchError, match='layers/up'):
    checkpointer.restore_latest(abstract_state(other, OPTIMIZER, mesh))
  checkpointer.close()


def test_parameters_are_found_by_run_folder_and_checkpoint(tmp_path, state):
  save_all(tmp_path, state, 10, 20)
  wanted = abstract_params(CONFIG, make_mesh(2, 2, 2))
  for path in (
    tmp_path,
    str(tmp_path / 'checkpoints'),
    tmp_path / 'checkpoints' / '10',
  ):
    got = Checkpointer.restore_params(path, wanted)
    assert_same_bits(got, state['params'])
  # The optimizer is not read.
  for step in ('10', '20'):
    for path in data_files(tmp_path / 'checkpoints' / step, 'training'):
      remove(path)
  assert_same_bits(
    Checkpointer.restore_params(tmp_path, wanted), state['params']
  )
  with pytest.raises(CheckpointError, match='no checkpoint in'):
    Checkpointer.restore_params(tmp_path / 'elsewhere', wanted)


def test_parameters_alone_in_a_folder_with_other_files(tmp_path, state):
  folder = tmp_path / 'imported'
  folder.mkdir()
  (folder / 'tokenizer.json').write_text('{}')
  Checkpointer.save_params(folder, state['params'], {'from': 'elsewhere'})
  wanted = abstract_params(CONFIG, make_mesh(1, 4, 2))
  got = Checkpointer.restore_params(folder, wanted)
  assert_same_bits(got, state['params'])
  assert Checkpointer.read_record(folder) == {'from': 'elsewhere'}
  with pytest.raises(CheckpointError, match='exists'):
    Checkpointer.save_params(folder, state['params'], {})
  for path in data_files(folder, 'params'):
    flip_a_bit(path)
  with pytest.raises(CheckpointDamagedError):
    Checkpointer.restore_params(folder, wanted)


def test_run_in_a_folder_of_parameters_takes_precedence(tmp_path, state):
  Checkpointer.save_params(tmp_path, state['params'], {'from': 'elsewhere'})
  save_all(tmp_path, state, 10)
  assert Checkpointer.read_record(tmp_path) == {'data_order_digest': 'of 10'}


def test_record_is_plain_json(tmp_path, state):
  save_all(tmp_path, state, 10)
  text = (tmp_path / 'checkpoints/10/record/metadata').read_text()
  assert json.loads(text)['record'] == {'data_order_digest': 'of 10'}


def test_a_damaged_score_and_a_strange_name_are_passed_over(tmp_path, state):
  checkpointer = Checkpointer(tmp_path, keep=3, best=True)
  for step, score in ((1, 50.0), (2, 70.0), (3, 60.0)):
    checkpointer.save(step, state, {}, score)
  checkpointer.close()
  flip_a_bit(tmp_path / 'checkpoints/2/record/metadata')
  # Digits to `str.isdigit`, but no number; a number, but not its own name.
  for name in ('²', '٣', '007'):
    (tmp_path / 'checkpoints' / name).mkdir()
  assert Checkpointer.best(tmp_path).endswith('/checkpoints/3')
  checkpointer = Checkpointer(tmp_path, keep=1, best=True)
  checkpointer.save(4, state, {}, 55.0)
  checkpointer.finish()
  checkpointer.close()
  # What cannot be read is left for people to look at.
  assert [path.name for path in Checkpointer.paths(tmp_path)] == ['2', '3', '4']


def test_damaged_metadata_is_not_taken_for_another_model(
  tmp_path, state, abstract
):
  save_all(tmp_path, state, 10, 20)
  path = tmp_path / 'checkpoints/20/params/_METADATA'
  renamed = path.read_text().replace('embedding', 'embeddinf')
  assert renamed != path.read_text()
  path.write_text(renamed)
  checkpointer = Checkpointer(tmp_path)
  assert checkpointer.restore_latest(abstract)[2] == 10
  checkpointer.close()
