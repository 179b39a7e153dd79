"""Whether a run fits the hardware, and what it costs."""

from collections.abc import Iterator, Mapping
from typing import Any

from flan_jax.errors import ConfigError
from flan_jax.planning import chips
from flan_jax.planning.plan_text import extent
from flan_jax.planning.request import PROGRAMS
from flan_jax.planning.topology import Topology

# What a simulation counts exactly. The rest is about twice what an accelerator
# needs.
_EXACT = ('parameters', 'optimizer_state', 'batch', 'cache', 'prompts')
_GIB = 2**30


def check_fits(plan: Mapping[str, Any]) -> Iterator[str]:
  """Yields a line for each program, that says how much memory it needs.

  Args:
    plan: From `plan_worker.plan_in_process`.

  Raises:
    ConfigError: A program does not fit. If the CPU simulated the devices, only
      what it counts exactly is held against them.
  """
  for name in PROGRAMS:
    if name not in plan or plan[name]['memory_bytes'] is None:
      continue
    program, counted = plan[name], 'needs'
    needed = program['needed_bytes']
    if plan['simulated']:
      counted = 'needs at least'
      needed = sum(program['memory'].get(kind, 0) for kind in _EXACT)
    text = (
      f'{name} {counted} {needed / _GIB:.2f} of '
      f'{program["memory_bytes"] / _GIB:.2f} GiB a device'
    )
    if needed > program['memory_bytes']:
      raise ConfigError(
        f'{text} of {plan["topology"]}, so it does not fit: {_remedy(plan)}'
      )
    yield text


def _remedy(plan: Mapping[str, Any]) -> str:
  if not plan['proposals']:
    return 'name more chips with --hardware'
  settings = plan['proposals'][0]['settings'].items()
  flags = ' '.join(f'--gin.{name}={value}' for name, value in settings)
  return f'this would: {flags}'


def cost(
  plan: Mapping[str, Any], price: float | None, spot: bool
) -> Iterator[str]:
  """Yields the estimated hours of a run, and its cost in US dollars.

  Args:
    plan: From `plan_worker.plan_in_process`.
    price: Dollars for an hour of a chip; None for the list price.
    spot: Whether the price will be that of machines that may be taken away.
  """
  run, chip = plan['run'], Topology.parse(plan['topology']).chip
  if run is None or chip is None:
    yield 'hours and cost: not known for this command and COMPUTE_DTYPE'
    return
  yield (
    f'estimated: {extent(run["hours"], "{:,.1f}")} hours, '
    f'{extent(run["chip_hours"], "{:,.1f}")} chip-hours for '
    f'{run["steps"]:,} steps, without evaluation, checkpoints and waiting'
  )
  source = 'as given'
  if price is None:
    price, source = chip.dollars_per_hour, chips.PRICES
    if spot:
      source += '; spot machines cost less'
  if price is None:
    yield f'cost: no list price of {chip.name}: give --price_per_chip_hour'
    return
  dollars = [hours * price for hours in run['chip_hours']]
  yield (
    f'cost: {extent(dollars, "{:,.2f}")} US dollars, {price:,.2f} for a chip '
    f'and hour ({source})'
  )
