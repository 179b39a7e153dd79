"""A request that compiles in seconds, for eight simulated devices."""

from flan_jax.model import DecoderConfig
from flan_jax.planning.request import Request
from flan_jax.sharding import MeshConfig
from flan_jax.training.optimizer import OptimizerConfig

MODEL = DecoderConfig(
  vocab_size=512,
  num_layers=3,
  d_model=128,
  d_ff=256,
  num_heads=4,
  num_kv_heads=4,
  head_dim=32,
)


def request(**settings) -> Request:
  """Returns the request with other settings."""
  defaults = {
    'model': MODEL,
    'optimizer': OptimizerConfig(),
    'mesh': MeshConfig(data=2, fsdp=2, model=2),
    'topology': 't4:8',
    'simulated': True,
    'batch_rows': 8,
    'pack_length': 64,
    'target_budget': 16,
    'microbatches': 1,
    'eval_length': 64,
    'eval_tokens': 512,
    'train_steps': 100,
    # Each program takes seconds to compile.
    'programs': ('train', 'evaluation'),
  }
  return Request(**{**defaults, **settings})
