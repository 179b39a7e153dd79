"""A plan as text."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flan_jax.planning.request import PROGRAMS
from flan_jax.terminal.blocks import Block, Line, Paragraph

_GIB = 2**30


def lines(plan: Mapping[str, Any]) -> Iterator[Block]:
  """Yields a plan, from `plan_worker.plan_in_process`."""
  mesh = ' x '.join(f'{axis} {size}' for axis, size in plan['mesh'].items())
  devices = f'chips {plan["chips"]}, devices {plan["devices"]}'
  yield Line(f'{plan["topology"]}: {devices}', 'bold')
  yield f'parameters: {plan["parameters"]:,} in float32'
  yield (
    f'compute type {plan["compute_dtype"]}, attention {plan["attention"]}, '
    f'rematerialization {plan["remat"]}'
  )
  yield f'mesh: {mesh}'
  for name in PROGRAMS:
    if name in plan:
      yield ''
      yield from _program(name, plan, plan[name])
  if plan['run']:
    yield ''
    yield from _run(plan['run'])
  if plan['proposals']:
    yield ''
    yield Line('would fit (compiled):', 'bold')
    for proposal in plan['proposals']:
      yield from _proposal(proposal)
  elif any(plan[n]['fits'] is False for n in PROGRAMS if n in plan):
    yield ''
    yield 'no settings were found that fit: use more devices'
  if plan['notes']:
    yield ''
    for note in plan['notes']:
      yield Paragraph(f'note: {note}', style='dim')


def _program(name, plan, program):
  unit = 'slots' if name == 'generate' else 'rows'
  shape = f'{program["rows"]} {unit} of {program["length"]:,} tokens'
  if name == 'train':
    batch = plan['batch']
    shape += f' ({batch["target_budget"]:,} of them targets)'
    if batch['microbatches'] > 1:
      shape += f', in {batch["microbatches"]} microbatches'
  if name == 'generate':
    shape += '; a step adds a token to each'
  yield Line(f'{name}: {shape}', 'bold')
  yield '  memory per device, GiB'
  for kind, size in program['memory'].items():
    yield f'    {kind.replace("_", " "):18} {size / _GIB:8.3f}'
  style = {True: 'green', False: 'bold red'}.get(program['fits'], '')
  yield Line(f'    {"total":18} {_fit(program)}', style)
  if 'flops' not in program:
    return
  flops = program['flops']
  yield (
    f'  operations per step: {flops["model"]:.3g}, and '
    f'{flops["recomputed"]:.3g} recomputed'
  )
  if program['collectives']:
    yield '  sent per device and step  count      GiB'
    for kind, row in program['collectives'].items():
      yield f'    {kind:18} {row["count"]:8,} {row["bytes"] / _GIB:8.3f}'
  if count := program['uncounted_loops']:
    yield f'    {count} loops of unknown length, counted once'
  if program['step']:
    yield from _step(program['step'])


def _fit(program) -> str:
  needed = program['needed_bytes'] / _GIB
  if program['memory_bytes'] is None:
    return f'{needed:8.3f}'
  verdict = 'fits' if program['fits'] else 'DOES NOT FIT'
  return f'{needed:8.3f} of {program["memory_bytes"] / _GIB:.2f}: {verdict}'


def _step(step) -> Iterator[Block]:
  yield '  estimated seconds per step'
  for name, share in step['assumed'].items():
    seconds = step[f'{name}_s']
    if seconds is not None:
      yield f'    {name:18} {seconds:8.3g} at {share:.0%} of the published rate'
  yield (
    f'    bound by {step["bound"]}: {step["overlapped_s"]:.3g} if everything '
    f'overlaps, {step["serial_s"]:.3g} if nothing does'
  )
  yield f'    {extent(step["tokens_per_second"], "{:,.0f}")} tokens per second'
  yield f'    model FLOPs utilization {extent(step["mfu"], "{:.1%}")}'


def _run(run) -> Iterator[Block]:
  title = f'run of {run["steps"]:,} steps, without evaluation and checkpoints'
  yield Line(title, 'bold')
  for name, label, pattern in (
    ('hours', 'hours', '{:,.1f}'),
    ('chip_hours', 'chip-hours', '{:,.0f}'),
    ('kwh', 'kWh for the chips alone', '{:,.0f}'),
    ('dollars', 'US dollars at list price', '{:,.0f}'),
  ):
    if run[name] is None:
      yield f'  {label}: not published for this chip'
    else:
      yield f'  {extent(run[name], pattern)} {label}'


def extent(values: Sequence[float], pattern: str) -> str:
  """Returns the lowest and the highest value as text.

  >>> extent([1.0, 2.0], '{:.1f}'), extent([1.0, 1.01], '{:.1f}')
  ('1.0 to 2.0', '1.0')
  """
  low, high = map(pattern.format, values)
  return low if low == high else f'{low} to {high}'


def _proposal(proposal) -> Iterator[Block]:
  needed = ', '.join(
    f'{name} {size / _GIB:.2f} GiB'
    for name, size in proposal['needed_bytes'].items()
  )
  yield f'  {proposal["name"]}: {needed}'
  settings = (f'--gin.{n}={value}' for n, value in proposal['settings'].items())
  yield f'    {" ".join(settings)}'
