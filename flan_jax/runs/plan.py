"""`flan-jax plan`: what a run needs of hardware, before there is any."""

from collections.abc import Mapping, Sequence
import json
import sys
from typing import Any

import gin

from flan_jax import config as config_lib
from flan_jax.batches.loader import PackingConfig
from flan_jax.errors import ConfigError
from flan_jax.evaluation.scoring.rank_batches import row_length
from flan_jax.flags import FlagParser, parse_gin
from flan_jax.model import DecoderConfig
from flan_jax.planning import plan_text
from flan_jax.planning.plan_worker import plan_in_process
from flan_jax.planning.programs import PROGRAMS, Request
from flan_jax.planning.topology import Topology, has_libtpu
from flan_jax.sharding import MeshConfig
from flan_jax.training import OptimizerConfig
from flan_jax.training.loop import LoopConfig

# Read before the user's files.
_GIN_FILE = 'runs/plan.gin'
# Where TARGET_BUDGET is left to the data, it is three times the mean, and about
# a sixth of what FLAN trains on is targets.
_TARGET_SHARE = 2


def main(argv: Sequence[str]) -> int:
  """Runs the command.

  Args:
    argv: The flags, without the command's name.

  Returns:
    The exit code: 0, or 1 where something does not fit.

  Raises:
    ConfigError: a flag or setting that cannot be.
    ValueError: the mesh fits neither devices, model nor batch.
  """
  parser = _parser()
  arguments, flags = parse_gin(parser, [f'--gin_file={_GIN_FILE}', *argv])
  config_lib.prepare(arguments, 'plan')
  result = plan(
    topology=flags.topology,
    simulated_devices=flags.devices,
    programs=PROGRAMS if flags.only is None else (flags.only,),
    dry_run=flags.dry_run,
  )
  if result is None:
    return 0
  if flags.format == 'json':
    print(json.dumps(result, indent=2))
  else:
    print('\n'.join(plan_text.lines(result)))
  planned = [result[name] for name in PROGRAMS if name in result]
  return int(any(program['fits'] is False for program in planned))


def _parser() -> FlagParser:
  parser = FlagParser(
    'plan',
    'Compiles the programs of a run for hardware that need not be present, and '
    'prints what they need. A model and a hardware file are enough.',
  )
  parser.add_gin_flags()
  parser.add_argument(
    '--topology', help='hardware instead of HARDWARE, as v5p:4x4x4'
  )
  parser.add_argument(
    '--devices',
    type=int,
    help='compile for so many devices that the CPU plays, without libtpu',
  )
  parser.add_argument('--only', choices=PROGRAMS, help='one program of the two')
  parser.add_argument('--format', choices=('text', 'json'), default='text')
  return parser


@gin.configurable(module='flan_jax')
def plan(
  model: DecoderConfig,
  optimizer: OptimizerConfig,
  packing: PackingConfig,
  mesh: MeshConfig,
  loop: LoopConfig,
  lengths: Mapping[str, int],
  tokens_per_eval_batch: int,
  hardware: str | None,
  topology: str | None = None,
  simulated_devices: int | None = None,
  programs: Sequence[str] = PROGRAMS,
  dry_run: bool = False,
) -> dict[str, Any] | None:
  """Plans a run.

  Args:
    model: Shape of the decoder.
    optimizer: Adafactor's settings.
    packing: Shape of a batch.
    mesh: Shape of the device mesh.
    loop: Length of the run, and its microbatches.
    lengths: As TASK_FEATURE_LENGTHS.
    tokens_per_eval_batch: Places of a batch of evaluation.
    hardware: As HARDWARE.
    topology: What is planned for instead.
    simulated_devices: How many devices the CPU plays; None: those of the
      topology, if it cannot be compiled for.
    programs: What of `PROGRAMS` is planned.
    dry_run: Checks the topology, compiles nothing, returns None.

  Returns:
    See `plan_worker.plan_in_process`; and `notes`, what to know of the figures.

  Raises:
    ConfigError: no hardware is named.
    ValueError: the mesh fits neither devices, model nor batch.
  """
  name = topology or hardware
  if name is None:
    if simulated_devices is None:
      raise ConfigError(
        'no hardware to plan for: add a file of hardware/, as '
        '--gin_file=hardware/v4_128.gin, or --topology=v5p:4x4x4, or '
        '--devices=8'
      )
    name = f'cpu:{simulated_devices}'
  parsed = Topology.parse(name)
  if simulated_devices is not None and simulated_devices != parsed.devices:
    raise ConfigError(
      f'--devices={simulated_devices}, but {name} has {parsed.devices} devices'
    )
  compiles = parsed.is_tpu and has_libtpu()
  request = Request(
    model=model,
    optimizer=optimizer,
    mesh=mesh,
    topology=name,
    simulated=simulated_devices is not None or not compiles,
    batch_rows=packing.batch_rows,
    pack_length=packing.pack_length,
    target_budget=packing.target_budget or packing.pack_length // _TARGET_SHARE,
    microbatches=loop.microbatches,
    eval_length=row_length(sum(lengths.values())),
    eval_tokens=tokens_per_eval_batch,
    train_steps=loop.train_steps,
    programs=tuple(programs),
  )
  notes = _notes(request, parsed, packing.target_budget)
  print(
    f'plan: compiling {" and ".join(request.programs)} for {name}, '
    f'{parsed.devices} devices; a large model takes minutes',
    file=sys.stderr,
    flush=True,
  )
  if dry_run:
    return None
  return {**plan_in_process(request), 'notes': notes}


def _notes(
  request: Request, topology: Topology, target_budget: int | None
) -> list[str]:
  notes = []
  if topology.is_tpu and request.simulated and not has_libtpu():
    notes.append(
      'libtpu is not installed (pip install flan_jax[tpu]), so the CPU played '
      'the devices'
    )
  if request.simulated:
    notes.append(
      'simulated: what is given (parameters, optimizer state, batch) is exact, '
      'temporary memory about twice what an accelerator needs, and traffic of '
      'its memory not known'
    )
  if target_budget is None:
    notes.append(
      f'TARGET_BUDGET is left to the data; {request.target_budget} of '
      f'{request.pack_length} are assumed'
    )
  return notes
