"""How fast a run is: tokens, examples and model FLOPs a second.

Model FLOPs are those needed once for the tokens that are not padding, see
`model.flops`. Their share of what the chips are published to do is the model
FLOPs utilization (MFU). Where nothing is published, as for CPUs, they are
compared with large matrix products that are timed when the run starts; that
share is called `matmul_share`, and is not MFU.
"""

from collections.abc import Mapping, Sequence
import dataclasses
import functools
import time

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float
import numpy as np

from flan_jax.model import flops
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.planning import chips

# Widths of the products that are timed, until one takes long enough to time.
_WIDTHS = (512, 1024, 2048, 4096)
_LONG_ENOUGH = 0.02  # seconds
_REPEATS = 5


def batch_counts(
  batch: Mapping[str, Array],
) -> dict[str, Float[Array, '']]:
  """Counts what a global batch of packed examples holds, in float32.

  Returns:
    places: tokens and padding.
    examples: packed segments.
    visible_pairs: pairs of query and key that see each other, as one head of
      one layer has them.
  """
  real_BxL = jnp.asarray(batch['segments']) > 0
  positions_BxL = jnp.asarray(batch['positions'])
  # A token sees itself and the positions before it in its segment. A row's
  # pairs fit an integer, a batch's may not.
  pairs_B = jnp.sum(jnp.where(real_BxL, positions_BxL + 1, 0), axis=1)
  starts_BxL = real_BxL & (positions_BxL == 0)
  return {
    'places': jnp.float32(real_BxL.size),
    'examples': jnp.sum(starts_BxL).astype(jnp.float32),
    'visible_pairs': jnp.sum(pairs_B.astype(jnp.float32)),
  }


@dataclasses.dataclass(frozen=True)
class Peak:
  """What one device can do.

  Attributes:
    flops: Operations a second.
    share_name: What a share of them is called, `mfu` or `matmul_share`.
    origin: Where the number is from, in words.
  """

  flops: float
  share_name: str
  origin: str


def device_peak(compute_dtype: str) -> Peak:
  """The published rate of this machine's devices, or else a measured one.

  Args:
    compute_dtype: 'float32', in full precision, or 'bfloat16'.
  """
  devices = jax.local_devices()
  kind = devices[0].device_kind
  chip = chips.chip_of_kind(kind)
  published = chip and chip.device_flops(compute_dtype)
  if published:
    return Peak(published, 'mfu', f'published for {kind} in {compute_dtype}')
  measured = measured_flops(devices, compute_dtype)
  origin = f'measured in {compute_dtype} matrix products'
  return Peak(measured, 'matmul_share', origin)


def measured_flops(devices: Sequence[jax.Device], compute_dtype: str) -> float:
  """Times large matrix products, on all devices at once; takes about a second.

  Args:
    devices: Of this process.
    compute_dtype: 'float32', in full precision, or 'bfloat16'.

  Returns:
    Operations a second of one device, the best of a few runs: other programs
    only ever make it slower.
  """
  mesh = Mesh(np.array(devices), ('device',))
  sharding = NamedSharding(mesh, PartitionSpec('device'))
  for width in _WIDTHS:
    function = _product(sharding, width, compute_dtype)
    factor = _factor(sharding, width, compute_dtype)
    function(factor).block_until_ready()  # compiles it
    seconds = _seconds(function, factor)
    if seconds > _LONG_ENOUGH:
      break
  best = min(seconds, *(_seconds(function, factor) for _ in range(_REPEATS)))
  return 2 * width**3 / best


def _factor(sharding, width, dtype):
  """A matrix a device, of numbers that differ."""
  size = sharding.mesh.size

  @functools.partial(jax.jit, out_shardings=sharding)
  def make():
    numbers = jnp.arange(size * width * width, dtype=jnp.float32)
    return jnp.sin(numbers).reshape(size, width, width).astype(dtype)

  return make()


def _product(sharding, width, dtype):
  """The square of a matrix, on each device by itself."""
  precision = 'highest' if dtype == 'float32' else 'default'

  def square(factor_1xWxW):
    factor_WxW = factor_1xWxW.reshape(width, width)
    product_WxW = jnp.matmul(factor_WxW, factor_WxW, precision=precision)
    return product_WxW[None]

  return jax.jit(
    jax.shard_map(
      square,
      mesh=sharding.mesh,
      in_specs=sharding.spec,
      out_specs=sharding.spec,
    )
  )


def _seconds(function, argument):
  began = time.perf_counter()
  function(argument).block_until_ready()
  return time.perf_counter() - began


class Throughput:
  """Turns what a step counted, and the time it took, into rates."""

  def __init__(self, config: DecoderConfig, devices: int, peak: Peak):
    """Initializes the rates.

    Args:
      config: Shape of the decoder.
      devices: Devices of all processes.
      peak: Of one of them.
    """
    self._config = config
    self._devices = devices
    self._peak = peak

  @property
  def basis(self) -> str:
    """What the share is a share of, in words."""
    name = self._peak.share_name
    return (
      f'{"MFU" if name == "mfu" else name} is a share of '
      f'{self._peak.flops / 1e12:.3g} TFLOP/s a device, {self._peak.origin}'
    )

  def rates(
    self, counts: Mapping[str, float], seconds: float
  ) -> dict[str, float]:
    """Rates of one training step over all devices.

    Args:
      counts: tokens and target_tokens, as the step counts them, and what
        `batch_counts` returns; of the global batch.
      seconds: Wall time of the step.

    Returns:
      tokens_per_second (without padding), places_per_second (with it),
      examples_per_second, model_tflops_per_device (10^12 a second), and mfu or
      matmul_share, between 0 and 1.
    """
    work = flops.Work(
      tokens=counts['tokens'],
      targets=counts['target_tokens'],
      pairs=counts['visible_pairs'],
    )
    needed = flops.training_flops(self._config, work).total
    per_device = needed / seconds / self._devices
    return {
      'tokens_per_second': counts['tokens'] / seconds,
      'places_per_second': counts['places'] / seconds,
      'examples_per_second': counts['examples'] / seconds,
      'model_tflops_per_device': per_device / 1e12,
      self._peak.share_name: per_device / self._peak.flops,
    }
