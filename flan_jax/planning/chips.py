"""Published rates, memory, power and prices of accelerator chips.

Sources, read in November 2026; '-' where nothing is published.

- Cloud TPU: Google's page of each version,
  docs.cloud.google.com/tpu/docs/{v3,v4,v5e,v5p,v6e,tpu7x}, for rate, memory
  and power, and from v5e on for the interconnect, which the pages give as the
  sum of both directions.
- N. Jouppi et al., CACM 63(7), 2020, for v2 and its links (496 Gbit/s each);
  N. Jouppi et al., ISCA 2023, for the links of v3 and v4.
- NVIDIA's data sheets; rates without sparsity, NVLink or PCIe in one direction.
- Prices: on-demand prices of Google Cloud in US dollars, as collected from its
  billing catalog in github.com/skypilot-org/skypilot-catalog,
  catalogs/v8/gcp/vms.csv at commit 006059e, in the cheapest American region.
  The price of a TPU includes its host, that of a GPU does not. The catalog
  lacks tpu7x: its price is Google's for us-central1 in October 2026, as quoted
  by others.
"""

import dataclasses

from flan_jax.errors import ConfigError, nearest

# What the prices of the table are.
PRICES = 'on-demand list prices of Google Cloud, read in November 2026'

# A row per chip:
# - JAX devices that it consists of; the two cores of a v4 or v5p act as one.
# - Peak TFLOP/s of bfloat16, float32 and TF32 products. TPUs compute float32
#   products from several bfloat16 ones, at an unpublished rate. A T4 computes
#   float16 instead of bfloat16.
# - GiB of memory; GB/s to it; GB/s over all links to other chips, one way.
# - Mean and maximum watts under load; dollars per hour.
_TABLE = """
v2           2   46    -    -     16  700 248    -  280  1.125
v3           2  123    -    -     32  900 280  220  262  2.00
v4           1  275    -    -     32 1200 300  170  192  3.22
v5e          1  197    -    -     16  819 200    -    -  1.20
v5p          1  459    -    -     95 2765 600    -    -  4.20
v6e          1  918    -    -     32 1638 400    -    -  2.70
tpu7x        2 2307    -    -    192 7380 600    -    - 12.00
a100-40      1  312 19.5  156     40 1555 300    -  400  2.93
a100-80      1  312 19.5  156     80 2039 300    -  400  4.42
a100-80-pcie 1  312 19.5  156     80 1935  32    -  300     -
h100         1 989.4 66.9 494.7   80 3350 450    -  700  9.80
h100-pcie    1  756   51  378     80 2000  64    -  350     -
h200         1 989.4 66.9 494.7  141 4800 450    -  700  9.31
l4           1  121 30.3   60     24  300  32    -   72  0.56
t4           1    -  8.1    -     16  320  16    -   70  0.35
"""

# `jax.Device.device_kind`, without a leading 'NVIDIA ' -> name of the chip.
_KINDS = {
  'TPU v2': 'v2',
  'TPU v3': 'v3',
  'TPU v4': 'v4',
  'TPU v5 lite': 'v5e',
  'TPU v5e': 'v5e',
  'TPU v5': 'v5p',
  'TPU v5p': 'v5p',
  'TPU v6 lite': 'v6e',
  'TPU v6e': 'v6e',
  'TPU7x': 'tpu7x',
  'A100-SXM4-40GB': 'a100-40',
  'A100-SXM4-80GB': 'a100-80',
  'A100 80GB PCIe': 'a100-80-pcie',
  'H100 80GB HBM3': 'h100',
  'H100 PCIe': 'h100-pcie',
  'H200': 'h200',
  'L4': 'l4',
  'Tesla T4': 't4',
  'T4': 't4',
}


@dataclasses.dataclass(frozen=True)
class Chip:
  """One kind of chip; every number is for a whole chip, None if unpublished."""

  name: str  # As in topology names, `v5p`, or the product's name, `h100`.
  devices: int  # JAX devices that it consists of.
  # Peak FLOP/s of products in bfloat16, in full float32, and in float32 with
  # operands rounded to TF32.
  bf16_flops: float | None
  f32_flops: float | None
  tf32_flops: float | None
  # High-bandwidth memory, of which the system reserves some.
  memory_bytes: int
  memory_bandwidth: float  # Bytes per second to and from that memory.
  # Bytes per second to other chips over all links, in one direction.
  interconnect_bandwidth: float
  mean_watts: float | None  # Mean power under load.
  max_watts: float | None  # Maximum power under load.
  dollars_per_hour: float | None  # On-demand list price.

  @property
  def is_tpu(self) -> bool:
    return self.name.startswith(('v', 'tpu'))

  @property
  def watts(self) -> float | None:
    """Mean power, or the maximum if the mean is not published."""
    return self.max_watts if self.mean_watts is None else self.mean_watts

  def device_flops(self, compute_dtype: str) -> float | None:
    """Returns the peak FLOP/s of one JAX device; None if not published.

    Args:
      compute_dtype: 'float32', in full precision, or 'bfloat16'.
    """
    flops = {'float32': self.f32_flops, 'bfloat16': self.bf16_flops}
    chip = flops[compute_dtype]
    return None if chip is None else chip / self.devices


def _chip(line: str) -> Chip:
  """Parses a row of the table."""
  name, devices, *figures = line.split()
  units = (1e12, 1e12, 1e12, 2**30, 1e9, 1e9, 1, 1, 1)
  scaled = [
    None if figure == '-' else float(figure) * unit
    for figure, unit in zip(figures, units, strict=True)
  ]
  scaled[3] = int(scaled[3])
  return Chip(name, int(devices), *scaled)


CHIPS = {chip.name: chip for chip in map(_chip, _TABLE.strip().splitlines())}


def chip_of_kind(device_kind: str) -> Chip | None:
  """Returns the chip of a `jax.Device.device_kind`; None if not listed.

  >>> chip_of_kind('TPU v5 lite').name
  'v5e'
  """
  return CHIPS.get(_KINDS.get(device_kind.removeprefix('NVIDIA ')))


def chip_named(name: str) -> Chip:
  """Returns the chip with a name such as `v5p` or `h100`.

  Raises:
    ConfigError: No such chip; names the nearest.
  """
  if name in CHIPS:
    return CHIPS[name]
  raise ConfigError(
    f'no chip {name!r} among {", ".join(CHIPS)}{nearest(name, CHIPS)}'
  )
