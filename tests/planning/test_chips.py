"""The table of chips."""

import dataclasses

import jax
import pytest

from flan_jax.errors import ConfigError
from flan_jax.planning import chips


@pytest.mark.parametrize(
  'kind, name',
  [
    ('TPU v2', 'v2'),
    ('TPU v3', 'v3'),
    ('TPU v4', 'v4'),
    ('TPU v5 lite', 'v5e'),
    ('TPU v5', 'v5p'),
    ('TPU v5p', 'v5p'),
    ('TPU v6 lite', 'v6e'),
    ('TPU7x', 'tpu7x'),
    ('NVIDIA A100-SXM4-40GB', 'a100-40'),
    ('NVIDIA A100-SXM4-80GB', 'a100-80'),
    ('NVIDIA H100 80GB HBM3', 'h100'),
    ('NVIDIA H200', 'h200'),
    ('NVIDIA L4', 'l4'),
    ('Tesla T4', 't4'),
  ],
)
def test_chips_are_found_by_the_kind_of_a_device(kind, name):
  assert chips.chip_of_kind(kind) is chips.chip_named(name)


def test_an_unlisted_device_has_no_chip():
  assert chips.chip_of_kind(jax.devices('cpu')[0].device_kind) is None
  # This is another chip, an inference version of v4.
  assert chips.chip_of_kind('TPU v4 lite') is None


def test_a_misspelled_name_suggests_the_nearest():
  with pytest.raises(ConfigError, match='nearest: v5p'):
    chips.chip_named('v5pp')


def test_devices_share_the_rate_of_their_chip():
  v3 = chips.chip_named('v3')
  assert v3.device_flops('bfloat16') == pytest.approx(61.5e12)
  assert v3.device_flops('float32') is None  # not published
  h100 = chips.chip_named('h100')
  assert h100.device_flops('bfloat16') == pytest.approx(989.4e12)
  # Full float32, not TF32.
  assert h100.device_flops('float32') == pytest.approx(66.9e12)


def test_power_is_the_mean_if_it_is_published():
  assert chips.chip_named('v4').watts == 170
  assert chips.chip_named('h100').watts == 700
  assert chips.chip_named('v5e').watts is None


def test_figures_have_plausible_magnitudes():
  # A figure in a wrong unit, or of a pod instead of a chip, would spoil every
  # plan unnoticed.
  bounds = {
    'bf16_flops': (1e13, 1e16),
    'f32_flops': (1e12, 1e15),
    'tf32_flops': (1e13, 1e15),
    'memory_bytes': (1e10, 1e12),
    'memory_bandwidth': (1e11, 1e13),
    'interconnect_bandwidth': (1e10, 1e12),
    'mean_watts': (50, 2000),
    'max_watts': (50, 2000),
    'dollars_per_hour': (0.1, 50),
  }
  for chip in chips.CHIPS.values():
    values = dataclasses.asdict(chip)
    for name, (least, most) in bounds.items():
      if values[name] is not None:
        assert least < values[name] < most, (chip.name, name)


def test_every_chip_has_a_kind():
  assert set(chips._KINDS.values()) == set(chips.CHIPS)
