"""What a study costs, estimated before anything runs."""

from collections.abc import Iterable, Sequence
import dataclasses

from flan_jax.batches.loader import PackingConfig
from flan_jax.definitions import names
from flan_jax.definitions.mixture_plan import MixturePlan
from flan_jax.model.decoder_config import DecoderConfig
from flan_jax.model.flops import causal_rows, forward_flops, training_flops
from flan_jax.planning.estimate import ASSUMED
from flan_jax.planning.topology import Topology
from flan_jax.studies.design import Cell
from flan_jax.terminal.blocks import Table

# Tokens of one evaluated prompt with its options, assumed: they are known only
# once the data is cached. Four times as many fill the paper's 1,024 tokens, so
# exemplars at most quadruple them.
_PROMPT_TOKENS = 256
_MOST_PROMPTS = 4
# A training row predicts about a sixth of its tokens, as `planning.request`
# says of FLAN's mixture.
_TARGET_SHARE = 6


@dataclasses.dataclass(frozen=True)
class Cost:
  """The cost of a cell, or of several.

  Attributes:
    rows: Training rows of the mixture.
    steps: Training steps.
    tokens: Tokens of all training batches.
    prompts: Evaluated prompts: test and validation rows under each template.
    flops: Operations that training and evaluation need.
  """

  rows: int = 0
  steps: int = 0
  tokens: int = 0
  prompts: int = 0
  flops: float = 0.0

  def __add__(self, other: 'Cost') -> 'Cost':
    pairs = zip(
      dataclasses.astuple(self), dataclasses.astuple(other), strict=True
    )
    return Cost(*(a + b for a, b in pairs))

  def hours(self, hardware: str | None, compute_dtype: str) -> float | None:
    """Estimates the hours on some hardware, from the published rate.

    Args:
      hardware: Name of the hardware, see `planning.topology`.
      compute_dtype: Type of the matrix products.

    Returns:
      None if no rate is published, as for a CPU.
    """
    if hardware is None:
      return None
    topology = Topology.parse(hardware)
    chip = topology.chip
    peak = chip and chip.device_flops(compute_dtype)
    if peak is None:
      return None
    rate = peak * topology.devices * ASSUMED['compute']
    return self.flops / rate / 3600


def training_cost(
  plan: MixturePlan, model: DecoderConfig, packing: PackingConfig, steps: int
) -> Cost:
  """Returns the cost of training on a mixture."""
  rows, length = packing.batch_rows * steps, packing.pack_length
  work = causal_rows(rows, length, length / _TARGET_SHARE, model.window)
  return Cost(
    rows=sum(member.part.rows.get('train', 0) for member in plan.members),
    steps=steps,
    tokens=rows * length,
    flops=training_flops(model, work).total,
  )


def evaluation_cost(
  plan: MixturePlan, model: DecoderConfig, max_rows: int | None
) -> Cost:
  """Returns the cost of an evaluation; exemplars multiply a prompt's tokens."""
  cost = Cost()
  for member in plan.members:
    templates = [t for t in member.part.templates if not t.inverted]
    count = len(templates if member.templates is None else member.templates)
    rows = sum(
      min(member.part.rows.get(split, 0), max_rows or 2**62)
      for split in ('validation', 'test')
    )
    length = _PROMPT_TOKENS * min(1 + member.shots, _MOST_PROMPTS)
    targets = _PROMPT_TOKENS / _TARGET_SHARE
    work = causal_rows(rows * count, length, targets, model.window)
    cost += Cost(prompts=rows * count, flops=forward_flops(model, work).total)
  return cost


def cell_cost(
  cell: Cell,
  model: DecoderConfig,
  packing: PackingConfig,
  steps: int,
  max_rows: Sequence[int | None],
) -> Cost:
  """Returns the cost of a cell.

  Args:
    cell: The cell.
    model: Its model.
    packing: Shape of its batches.
    steps: Steps of training.
    max_rows: MAX_EVAL_ROWS of each of its evaluations.
  """
  costs = [
    evaluation_cost(names.resolve(evaluation.mixture), model, limit)
    for evaluation, limit in zip(cell.evaluations, max_rows, strict=True)
  ]
  if cell.train:
    costs.append(
      training_cost(names.resolve(cell.train), model, packing, steps)
    )
  return sum(costs, Cost())


def matrix_table(
  costs: Iterable[tuple[Cell, Cost, float | None, bool | None]],
) -> Table:
  """Returns the matrix as a table.

  Args:
    costs: Each cell, its cost, its hours if known, and whether it is finished;
      None if that is not known.
  """
  lines = []
  for cell, cost, hours, finished in costs:
    lines.append(
      {
        'cell': cell.name,
        'trains on': cell.train or '-',
        'rows': f'{cost.rows:,}',
        'steps': f'{cost.steps:,}',
        'tokens': f'{cost.tokens:,}',
        'evaluations': str(len(cell.evaluations)),
        'prompts': f'{cost.prompts:,}',
        'PFLOP': f'{cost.flops / 1e15:,.3g}',
        'hours': '-' if hours is None else f'{hours:,.2f}',
        'finished': {True: 'yes', False: 'no', None: '-'}[finished],
      }
    )
  optional = ('rows', 'evaluations', 'trains on', 'prompts', 'steps', 'PFLOP')
  return Table.of(lines, optional=optional)
