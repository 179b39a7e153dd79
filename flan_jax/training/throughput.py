"""The speed of a run: tokens, examples and model FLOPs a second.

Model FLOPs count each token that is not padding once, see `model.flops`. Their
share of the published peak of the chips is the model FLOPs utilization (MFU).
If no peak is published, as for CPUs, `matmul_share` compares them with matrix
products that are timed when the run starts; it is not MFU.
"""

from collections.abc import Mapping
import dataclasses
import functools
import math
import time

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float
import numpy as np

from flan_jax.model import flops
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.runtime.peers import Peers

# Widths of the timed products. The first that takes long enough is used.
_WIDTHS = (512, 1024, 2048, 4096)
_LONG_ENOUGH = 0.02  # seconds
_REPEATS = 5


def batch_counts(
  batch: Mapping[str, Array], window: int | None = None
) -> dict[str, Float[Array, '']]:
  """Counts the contents of a global batch of packed examples, in float32.

  Args:
    batch: The batch.
    window: Attention window of the model; None if it has none.

  Returns:
    places: Tokens and padding.
    examples: Packed segments.
    visible_pairs: Pairs of query and key that see each other, in one head of
      one layer.
    near_pairs: Those of a layer with the window, if there is one.
  """
  real_BxL = jnp.asarray(batch['segments']) > 0
  positions_BxL = jnp.asarray(batch['positions'])

  # A token sees itself and those before it in its segment. The pairs of a row
  # fit an int32, those of a batch may not.
  def pairs(most):
    seen_BxL = jnp.minimum(positions_BxL + 1, most)
    pairs_B = jnp.sum(jnp.where(real_BxL, seen_BxL, 0), axis=1)
    return jnp.sum(pairs_B.astype(jnp.float32))

  near = {} if window is None else {'near_pairs': pairs(window)}
  starts_BxL = real_BxL & (positions_BxL == 0)
  return {
    'places': jnp.float32(real_BxL.size),
    'examples': jnp.sum(starts_BxL).astype(jnp.float32),
    'visible_pairs': pairs(real_BxL.shape[1]),
    **near,
  }


@dataclasses.dataclass(frozen=True)
class Peak:
  """The peak rate of one device.

  Attributes:
    flops: Operations a second.
    share_name: Name of a share of it, `mfu` or `matmul_share`.
    origin: Where the number comes from, in words.
  """

  flops: float
  share_name: str
  origin: str


def device_peak(compute_dtype: str, published: float | None) -> Peak:
  """Returns the published rate of this machine's devices, or a measured one."""
  devices = jax.local_devices()
  if published:
    kind = devices[0].device_kind
    return Peak(published, 'mfu', f'published for {kind} in {compute_dtype}')
  measured = _measured_flops(tuple(devices), compute_dtype)
  origin = f'measured in {compute_dtype} matrix products'
  return Peak(measured, 'matmul_share', origin)


@functools.cache
def _measured_flops(
  devices: tuple[jax.Device, ...], compute_dtype: str
) -> float:
  """Returns operations a second of one device in large matrix products.

  It is measured once in a process, for all of its runs. All devices run at
  once. The best of a few runs counts, because other programs
  can only slow them down.
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
  """Returns a matrix of varying numbers for each device."""
  shape = sharding.mesh.size, width, width

  def make():
    numbers = jnp.arange(math.prod(shape), dtype=jnp.float32)
    return jnp.sin(numbers).reshape(shape).astype(dtype)

  return jax.jit(make, out_shardings=sharding)()


def _product(sharding, width, dtype):
  """Returns a function that squares the matrix of each device."""
  precision = 'highest' if dtype == 'float32' else 'default'

  def square(factor_1xWxW):
    factor_WxW = factor_1xWxW.reshape(width, width)
    product_WxW = jnp.matmul(factor_WxW, factor_WxW, precision=precision)
    return product_WxW[None]

  spec = sharding.spec
  return jax.jit(
    jax.shard_map(square, mesh=sharding.mesh, in_specs=spec, out_specs=spec)
  )


def _seconds(function, argument):
  began = time.perf_counter()
  function(argument).block_until_ready()
  return time.perf_counter() - began


@dataclasses.dataclass(frozen=True)
class Throughput:
  """Turns the counts of a step and its duration into rates.

  Attributes:
    config: Shape of the decoder.
    devices: Number of devices of all processes.
    peak: Peak rate of one device.
  """

  config: DecoderConfig
  devices: int
  peak: Peak

  @property
  def basis(self) -> str:
    """The rate that the share refers to, in words."""
    name = self.peak.share_name
    return (
      f'{"MFU" if name == "mfu" else name} is a share of '
      f'{self.peak.flops / 1e12:.3g} TFLOP/s a device, {self.peak.origin}'
    )

  def rates(
    self, counts: Mapping[str, float], seconds: float
  ) -> dict[str, float]:
    """Returns the rates of one training step over all devices.

    Args:
      counts: `tokens` and `target_tokens` of the step, and `batch_counts`.
      seconds: Wall time of the step.

    Returns:
      `tokens_per_second` (without padding), `places_per_second` (with padding),
      `examples_per_second`, `model_tflops_per_device` (10^12 a second), and
      `mfu` or `matmul_share`, between 0 and 1.
    """
    work = flops.Work(
      tokens=counts['tokens'],
      targets=counts['target_tokens'],
      pairs=counts['visible_pairs'],
      near_pairs=counts.get('near_pairs', 0.0),
    )
    needed = flops.training_flops(self.config, work).total
    per_device = needed / seconds / self.devices
    return {
      'tokens_per_second': counts['tokens'] / seconds,
      'places_per_second': counts['places'] / seconds,
      'examples_per_second': counts['examples'] / seconds,
      'model_tflops_per_device': per_device / 1e12,
      self.peak.share_name: per_device / self.peak.flops,
    }


class Goodput:
  """Measures which share of a run's time its steps take.

  Time before the first step counts, so compiling does; so do saves and
  validation.
  """

  def __init__(self, peers: Peers | None = None):
    """Starts the clock; tells the other processes the times, if there are."""
    self._peers = peers
    self._began, self._in_steps = time.monotonic(), 0.0

  def after(self, seconds: float) -> dict[str, float]:
    """Returns metrics after a step of so many seconds.

    Returns:
      `goodput`, between 0 and 1, and in a run of several processes
      `step_seconds_spread`, the longest less the shortest of the newest steps
      that are known of all, which is a few seconds late.
    """
    self._in_steps += seconds
    elapsed = max(time.monotonic() - self._began, self._in_steps)
    found = {'goodput': self._in_steps / elapsed if elapsed else 1.0}
    if self._peers is not None:
      self._peers.set_step_seconds(seconds)
      times = self._peers.step_seconds()
      found['step_seconds_spread'] = max(times) - min(times)
    return found
