"""A server of two tiny checkpoints with random parameters."""

import functools

import jax

from flan_jax.cache.framing import CacheConfig, Framing
from flan_jax.cache.store import CacheStore
from flan_jax.definitions import registry
from flan_jax.evaluation.eval_parts import EvalPart
from flan_jax.model import DecoderConfig, init_params
from flan_jax.serving.engine import Engine, Served
from flan_jax.serving.served_rows import ServedRows
from flan_jax.sharding import MeshConfig, make_mesh
from flan_jax.testing.cached_splits import named_split
from flan_jax.vocabulary.load import load_vocabulary

CONTEXT = 160
MODEL = DecoderConfig(
  vocab_size=4096,
  num_layers=2,
  d_model=32,
  d_ff=64,
  num_heads=2,
  num_kv_heads=2,
  head_dim=16,
  position='relative_bias',
  activation='gelu',
)


@functools.cache
def served() -> Served:
  """Checkpoints `first` and `second`; eight slots of 256 tokens."""
  mesh = make_mesh(MeshConfig(), jax.devices()[:1])
  vocabulary = load_vocabulary('mini')
  return Served(
    config=MODEL,
    mesh=mesh,
    vocabulary=vocabulary,
    framing=Framing.of(CacheConfig('cache'), vocabulary),
    context=CONTEXT,
    checkpoints={
      name: init_params(MODEL, seed, mesh)
      for seed, name in enumerate(('first', 'second'))
    },
    tokens_per_batch=2048,
  )


@functools.cache
def engine() -> Engine:
  """Its programs are compiled once for all tests."""
  return Engine(served())


def served_rows(cache_dir, data_dir) -> ServedRows:
  """The test rows of a ranked and of a written dataset."""
  registry.load()
  config = CacheConfig(str(cache_dir), data_dir, {'inputs': 128, 'targets': 16})
  vocabulary = served().vocabulary
  keys = [named_split(name, 'test') for name in ('rte', 'common_gen')]
  store = CacheStore(config, vocabulary)
  if store.missing(keys):
    # Takes TensorFlow.
    from flan_jax.cache.writer import make_cached_splits

    make_cached_splits(keys, config, vocabulary)
  parts = [EvalPart(store.find(key)) for key in keys]
  return ServedRows(parts, served().framing, vocabulary)


def no_rows() -> ServedRows:
  """Nothing for the page to offer."""
  return ServedRows((), served().framing, served().vocabulary)
