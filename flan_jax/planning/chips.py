"""What accelerator chips are published to do, hold, draw and cost.

Sources, read in November 2026; a figure that is not published is None.

- Cloud TPU: Google's page of each version,
  docs.cloud.google.com/tpu/docs/{v3,v4,v5e,v5p,v6e,tpu7x}, for rate, memory
  and power; interconnect from v5e on, where they give the sum of both
  directions.
- N. Jouppi et al., CACM 63(7), 2020, for v2 and its links; N. Jouppi et al.,
  ISCA 2023, for the links of v3 and v4.
- NVIDIA's data sheets, the rates without sparsity.
- Prices: Google Cloud's, on demand, in US dollars, as collected from its
  billing catalog in github.com/skypilot-org/skypilot-catalog,
  catalogs/v8/gcp/vms.csv at commit 006059e, cheapest American region. A TPU's
  includes its host, a GPU's does not.
"""

import dataclasses
import difflib

_GIB = 2**30
_TERA = 1e12
_GIGA = 1e9


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chip:
  """One kind of chip; every number is of a whole chip.

  Attributes:
    name: As in the names of topologies, `v5p`, or the product's, `h100`.
    kinds: What `jax.Device.device_kind` says of it.
    devices: JAX devices that it makes up.
    bf16_flops: Peak operations a second of bfloat16 products.
    f32_flops: Of full float32 products. TPUs make them of several bfloat16
      ones, at a rate that is not published.
    tf32_flops: Of float32 products with operands rounded to TF32.
    memory_bytes: Of its high-bandwidth memory. The system keeps some of it.
    memory_bandwidth: Bytes a second to and from that memory.
    interconnect_bandwidth: Bytes a second that leave for other chips over all
      its links, in one direction.
    mean_watts: Mean power under load as its maker measured it.
    max_watts: The most that its maker measured, or allows.
    dollars_per_hour: List price of an hour on demand.
  """

  name: str
  kinds: tuple[str, ...]
  devices: int = 1
  bf16_flops: float | None
  f32_flops: float | None = None
  tf32_flops: float | None = None
  memory_bytes: int
  memory_bandwidth: float
  interconnect_bandwidth: float | None
  mean_watts: float | None = None
  max_watts: float | None = None
  dollars_per_hour: float | None

  @property
  def watts(self) -> float | None:
    """Mean power, or where it is not published the most, which is more."""
    return self.max_watts if self.mean_watts is None else self.mean_watts

  def device_flops(self, compute_dtype: str) -> float | None:
    """Peak operations a second of one JAX device.

    Args:
      compute_dtype: 'float32', in full precision, or 'bfloat16'.

    Returns:
      None if it is not published.
    """
    flops = {'float32': self.f32_flops, 'bfloat16': self.bf16_flops}
    chip = flops[compute_dtype]
    return None if chip is None else chip / self.devices


CHIPS: tuple[Chip, ...] = (
  Chip(
    name='v2',
    kinds=('TPU v2',),
    devices=2,
    bf16_flops=46 * _TERA,
    memory_bytes=16 * _GIB,
    memory_bandwidth=700 * _GIGA,
    interconnect_bandwidth=4 * 62 * _GIGA,  # 496 Gbit/s a link
    max_watts=280,
    dollars_per_hour=1.125,  # us-central1, v2-8 of 4 chips at 4.50
  ),
  Chip(
    name='v3',
    kinds=('TPU v3',),
    devices=2,
    bf16_flops=123 * _TERA,
    memory_bytes=32 * _GIB,
    memory_bandwidth=900 * _GIGA,
    interconnect_bandwidth=4 * 70 * _GIGA,
    mean_watts=220,
    max_watts=262,
    dollars_per_hour=2.00,  # us-east1, v3-128 of 64 chips at 128.00
  ),
  Chip(
    name='v4',
    # One device is a chip of two cores (megacore), as JAX sets it up.
    kinds=('TPU v4',),
    bf16_flops=275 * _TERA,
    memory_bytes=32 * _GIB,
    memory_bandwidth=1200 * _GIGA,
    interconnect_bandwidth=6 * 50 * _GIGA,
    mean_watts=170,
    max_watts=192,
    dollars_per_hour=3.22,  # us-central2, v4-8 of 4 chips at 12.88
  ),
  Chip(
    name='v5e',
    kinds=('TPU v5 lite', 'TPU v5e'),
    bf16_flops=197 * _TERA,
    memory_bytes=16 * _GIB,
    memory_bandwidth=819 * _GIGA,
    interconnect_bandwidth=200 * _GIGA,  # 1,600 Gbit/s
    dollars_per_hour=1.20,  # us-central1
  ),
  Chip(
    name='v5p',
    kinds=('TPU v5', 'TPU v5p'),
    bf16_flops=459 * _TERA,
    memory_bytes=95 * _GIB,
    memory_bandwidth=2765 * _GIGA,
    interconnect_bandwidth=600 * _GIGA,  # 4,800 Gbit/s
    dollars_per_hour=4.20,  # us-central1
  ),
  Chip(
    name='v6e',
    kinds=('TPU v6 lite', 'TPU v6e'),
    bf16_flops=918 * _TERA,
    memory_bytes=32 * _GIB,
    memory_bandwidth=1638 * _GIGA,
    interconnect_bandwidth=400 * _GIGA,  # 3,200 Gbit/s
    dollars_per_hour=2.70,  # us-central1
  ),
  Chip(
    name='tpu7x',
    kinds=('TPU7x',),
    devices=2,
    bf16_flops=2307 * _TERA,
    memory_bytes=192 * _GIB,
    memory_bandwidth=7380 * _GIGA,
    interconnect_bandwidth=600 * _GIGA,
    # Not in the catalog; as others quote Google's page for us-central1 in
    # October 2026.
    dollars_per_hour=12.00,
  ),
  Chip(
    name='a100-40',
    kinds=('NVIDIA A100-SXM4-40GB', 'A100-SXM4-40GB'),
    bf16_flops=312 * _TERA,
    f32_flops=19.5 * _TERA,
    tf32_flops=156 * _TERA,
    memory_bytes=40 * _GIB,
    memory_bandwidth=1555 * _GIGA,
    interconnect_bandwidth=300 * _GIGA,  # NVLink, 600 in both directions
    max_watts=400,
    dollars_per_hour=2.93,  # us-central1
  ),
  Chip(
    name='a100-80',
    kinds=('NVIDIA A100-SXM4-80GB', 'A100-SXM4-80GB'),
    bf16_flops=312 * _TERA,
    f32_flops=19.5 * _TERA,
    tf32_flops=156 * _TERA,
    memory_bytes=80 * _GIB,
    memory_bandwidth=2039 * _GIGA,
    interconnect_bandwidth=300 * _GIGA,
    max_watts=400,
    dollars_per_hour=4.42,  # us-east5
  ),
  Chip(
    name='a100-80-pcie',
    kinds=('NVIDIA A100 80GB PCIe',),
    bf16_flops=312 * _TERA,
    f32_flops=19.5 * _TERA,
    tf32_flops=156 * _TERA,
    memory_bytes=80 * _GIB,
    memory_bandwidth=1935 * _GIGA,
    interconnect_bandwidth=32 * _GIGA,  # PCIe 4 x16, 64 in both directions
    max_watts=300,
    dollars_per_hour=None,
  ),
  Chip(
    name='h100',
    kinds=('NVIDIA H100 80GB HBM3',),  # SXM
    bf16_flops=989.4 * _TERA,
    f32_flops=66.9 * _TERA,
    tf32_flops=494.7 * _TERA,
    memory_bytes=80 * _GIB,
    memory_bandwidth=3350 * _GIGA,
    interconnect_bandwidth=450 * _GIGA,  # NVLink, 900 in both directions
    max_watts=700,
    dollars_per_hour=9.80,  # us-east4
  ),
  Chip(
    name='h100-pcie',
    kinds=('NVIDIA H100 PCIe',),
    bf16_flops=756 * _TERA,
    f32_flops=51 * _TERA,
    tf32_flops=378 * _TERA,
    memory_bytes=80 * _GIB,
    memory_bandwidth=2000 * _GIGA,
    interconnect_bandwidth=64 * _GIGA,  # PCIe 5 x16, 128 in both directions
    max_watts=350,
    dollars_per_hour=None,
  ),
  Chip(
    name='h200',
    kinds=('NVIDIA H200',),
    bf16_flops=989.4 * _TERA,
    f32_flops=66.9 * _TERA,
    tf32_flops=494.7 * _TERA,
    memory_bytes=141 * _GIB,
    memory_bandwidth=4800 * _GIGA,
    interconnect_bandwidth=450 * _GIGA,
    max_watts=700,
    dollars_per_hour=9.31,  # us-central1, 8 at 74.49
  ),
  Chip(
    name='l4',
    kinds=('NVIDIA L4',),
    bf16_flops=121 * _TERA,
    f32_flops=30.3 * _TERA,
    tf32_flops=60 * _TERA,
    memory_bytes=24 * _GIB,
    memory_bandwidth=300 * _GIGA,
    interconnect_bandwidth=32 * _GIGA,  # PCIe 4 x16
    max_watts=72,
    dollars_per_hour=0.56,  # us-central1
  ),
  Chip(
    name='t4',
    kinds=('Tesla T4', 'NVIDIA T4'),
    bf16_flops=None,  # has float16 only, at 65 teraflops
    f32_flops=8.1 * _TERA,
    memory_bytes=16 * _GIB,
    memory_bandwidth=320 * _GIGA,
    interconnect_bandwidth=16 * _GIGA,  # PCIe 3 x16
    max_watts=70,
    dollars_per_hour=0.35,  # us-central1
  ),
)

_BY_KIND = {kind: chip for chip in CHIPS for kind in chip.kinds}
_BY_NAME = {chip.name: chip for chip in CHIPS}


def chip_of_kind(device_kind: str) -> Chip | None:
  """The chip that a `jax.Device.device_kind` names, or None if not listed.

  >>> chip_of_kind('TPU v5 lite').name
  'v5e'
  """
  return _BY_KIND.get(device_kind)


def chip_named(name: str) -> Chip:
  """The chip of a name, as `v5p` or `h100`.

  Raises:
    ValueError: No such chip; names the nearest.
  """
  if name in _BY_NAME:
    return _BY_NAME[name]
  close = difflib.get_close_matches(name, _BY_NAME, n=1)
  hint = f', nearest: {close[0]}' if close else ''
  raise ValueError(f'no chip {name!r} among {", ".join(_BY_NAME)}{hint}')
