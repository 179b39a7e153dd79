"""`flan-jax plan`: the memory, time and cost of a run, without the hardware."""

from collections.abc import Sequence
import json
import sys

import gin

from flan_jax import config
from flan_jax.batches.loader import PackingConfig
from flan_jax.cache.framing import Lengths
from flan_jax.command_flags.plan_flags import make_parser
from flan_jax.errors import ConfigError
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.flags import parse_gin
from flan_jax.model import DecoderConfig
from flan_jax.planning import plan_text
from flan_jax.planning.plan_worker import plan_in_process
from flan_jax.planning.request import PROGRAMS, Request
from flan_jax.planning.topology import Topology, has_libtpu
from flan_jax.setting_types import Count, Text
from flan_jax.sharding import MeshConfig
from flan_jax.terminal.bar import Bar
from flan_jax.terminal.screen import show
from flan_jax.training.loop import LoopConfig
from flan_jax.training.optimizer import OptimizerConfig, for_model

# Devices that a CPU simulates; each takes memory and threads.
_MOST_SIMULATED = 4096


def main(argv: Sequence[str]) -> int:
  """Runs the command; returns 1 if something does not fit, else 0.

  Raises:
    UserError: A flag or setting is wrong.
  """
  parser = make_parser()
  # The user's files override the first one.
  arguments, flags = parse_gin(parser, ['--gin_file=runs/plan.gin', *argv])
  config.prepare(arguments, 'plan')
  config.check_callable('plan')
  override = {} if flags.topology is None else {'hardware': flags.topology}
  programs = PROGRAMS if flags.only is None else (flags.only,)
  request = plan(**override, devices=flags.devices, programs=programs)
  if flags.dry_run:
    return 0
  *first, last = request.programs
  named = f'{", ".join(first)} and {last}' if first else last
  print(
    f'Compiling {named} for {request.topology}; a large model takes minutes',
    file=sys.stderr,
    flush=True,
  )
  with Bar('compiling'):
    result = plan_in_process(request)
  if flags.format == 'json':
    print(json.dumps(result, indent=2))
  else:
    show(plan_text.lines(result))
  return int(any(result[n]['fits'] is False for n in request.programs))


class NoHardwareError(ConfigError):
  """Neither a setting nor a flag names hardware."""


@gin.configurable(module='flan_jax')
def plan(
  model: DecoderConfig,
  optimizer: OptimizerConfig,
  packing: PackingConfig,
  mesh: MeshConfig,
  loop: LoopConfig,
  lengths: Lengths,
  tokens_per_eval_batch: Count,
  hardware: Text | None,
  devices: int | None = None,
  programs: Sequence[str] = PROGRAMS,
) -> Request:
  """Returns what to plan.

  Args:
    model: Shape of the decoder.
    optimizer: Settings of Adafactor.
    packing: Shape of a batch.
    mesh: Shape of the device mesh.
    loop: Length of the run, and its microbatches.
    lengths: TASK_FEATURE_LENGTHS.
    tokens_per_eval_batch: TOKENS_PER_EVAL_BATCH.
    hardware: HARDWARE, the name of a topology.
    devices: Number of devices for the CPU to simulate, if any.
    programs: Which programs to plan.

  Raises:
    NoHardwareError: No hardware is named.
    ConfigError: It does not have this number of devices.
  """
  if hardware is None and devices is None:
    raise NoHardwareError(
      'no hardware to plan for: add a hardware file, such as '
      '--gin_file=hardware/v4_128.gin, or --topology=v5p:4x4x4, or --devices=8'
    )
  if devices is not None and not 1 <= devices <= _MOST_SIMULATED:
    raise ConfigError(
      f'--devices={devices} must be from 1 to {_MOST_SIMULATED:,}'
    )
  topology = Topology.parse(hardware or f'cpu:{devices}')
  if devices not in (None, topology.devices):
    raise ConfigError(
      f'--devices={devices}, but {hardware} has {topology.devices} devices'
    )
  simulated = devices is not None or not (topology.is_tpu and has_libtpu())
  if simulated and topology.devices > _MOST_SIMULATED:
    raise ConfigError(
      f'{hardware} has {topology.devices:,} devices, and the CPU simulates at '
      f'most {_MOST_SIMULATED:,}: name fewer chips'
    )
  return Request(
    model=model,
    optimizer=for_model(optimizer, model),
    mesh=mesh,
    topology=topology.name,
    simulated=simulated,
    batch_rows=packing.batch_rows,
    pack_length=packing.pack_length,
    target_budget=packing.target_budget,
    microbatches=loop.microbatches,
    eval_length=row_length(sum(lengths.values())),
    eval_tokens=tokens_per_eval_batch,
    train_steps=loop.train_steps,
    programs=tuple(programs),
  )
