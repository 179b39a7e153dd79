"""Makes the table of `docs/scaling.md`: plans of FLAN's model sizes.

  python -m flan_jax.planning.scaling_table --plans=DIR --write=docs/scaling.md

Makes the plans that DIR lacks, one JSON file per plan, and replaces the table
in the file. The largest models take minutes each. TPUs need the extra `[tpu]`.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
import json
import pathlib
import subprocess
from typing import Any

from flan_jax.errors import UserError
from flan_jax.planning.plan_text import extent
from flan_jax.runtime import child

# Model -> hardware to plan it for.
PLANNED = {
  'flan_422m': ('one_gpu', 'v5e_16'),
  'flan_2b': ('one_gpu', 'v5e_16'),
  'flan_8b': ('v5e_16',),
  'flan_68b': ('v3_128', 'v4_128', 'v5p_128'),
  'flan_137b': ('v3_128', 'v4_128', 'v5p_128'),
}
_GIB = 2**30
_BEGIN = '<!-- Begin of generated table -->'
_END = '<!-- End of generated table -->'
_COLUMNS = (
  *('model', 'hardware', 'mesh', 'training, GiB', 'evaluation, GiB'),
  'generation, GiB',
  *('compute, memory, interconnect, s', 'bound by', 'step, s', 'MFU, %'),
  *('run, hours', 'chip-hours', 'kWh', 'US dollars'),
)


def main(argv: Sequence[str] | None = None) -> None:
  """Makes the missing plans, prints the table, and optionally writes it."""
  parser = argparse.ArgumentParser(description=__doc__)
  parser.add_argument('--plans', type=pathlib.Path, required=True)
  parser.add_argument('--write', type=pathlib.Path)
  flags = parser.parse_args(argv)
  flags.plans.mkdir(parents=True, exist_ok=True)
  rows = [
    row(model, hardware, _planned(flags.plans, model, hardware))
    for model, all_hardware in PLANNED.items()
    for hardware in all_hardware
  ]
  made = '\n'.join(table(rows))
  print(made)
  if flags.write is not None:
    flags.write.write_text(replaced(flags.write.read_text(), made))


def _planned(folder, model, hardware):
  path = folder / f'{model}_{hardware}.json'
  if not path.exists():
    command = child.python('flan_jax', 'plan', '--format=json')
    files = (f'models/{model}.gin', f'hardware/{hardware}.gin')
    command += [f'--gin_file={file}' for file in files]
    done = subprocess.run(
      command, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode not in (0, 1):  # 1 means that it does not fit.
      raise SystemExit(f'planning {model} for {hardware} failed')
    path.write_text(done.stdout)
  return json.loads(path.read_text())


def row(model: str, hardware: str, plan: Mapping[str, Any]) -> list[str]:
  """Returns the cells of a plan, in the order of the columns."""
  train, run = plan['train'], plan['run']
  step = train.get('step')
  cells = [
    model,
    f'{hardware} ({plan["topology"]})',
    ' x '.join(str(size) for size in plan['mesh'].values()),
    _memory(train),
    _memory(plan['evaluation']),
    _memory(plan['generate']),
  ]
  if not step or not run:
    return cells + ['-'] * (len(_COLUMNS) - len(cells))
  times = [step[f'{n}_s'] for n in ('compute', 'memory', 'interconnect')]
  return [
    *cells,
    ', '.join('-' if time is None else f'{time:.3g}' for time in times),
    step['bound'],
    _extent([step['overlapped_s'], step['serial_s']], '{:.3g}'),
    _extent([100 * share for share in step['mfu']], '{:.0f}'),
    _extent(run['hours'], '{:.1f}'),
    _extent(run['chip_hours'], '{:,.0f}'),
    _extent(run['kwh'], '{:,.0f}'),
    _extent(run['dollars'], '{:,.0f}'),
  ]


def _memory(program):
  needed = program['needed_bytes'] / _GIB
  available = program['memory_bytes'] / _GIB
  verdict = '' if program['fits'] else ', does not fit'
  return f'{needed:.1f} of {available:.0f}{verdict}'


def _extent(values, pattern):
  return '-' if values is None else extent(values, pattern)


def table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
  """Yields the lines of a Markdown table."""
  yield f'| {" | ".join(_COLUMNS)} |'
  yield f'|{" --- |" * len(_COLUMNS)}'
  for cells in rows:
    yield f'| {" | ".join(cells)} |'


def replaced(text: str, made: str) -> str:
  """Returns the text with another table between the marks.

  Raises:
    UserError: A mark is missing.
  """
  before, begin, rest = text.partition(_BEGIN)
  _, end, after = rest.partition(_END)
  if not begin or not end:
    raise UserError(f'the file lacks the mark {_BEGIN!r} or {_END!r}')
  return f'{before}{_BEGIN}\n\n{made}\n\n{_END}{after}'


if __name__ == '__main__':
  main()
