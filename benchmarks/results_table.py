"""Writes the table of the files in `results` into benchmarks/README.md.

python -m benchmarks.results_table
"""

from collections.abc import Iterator, Mapping
import json
import pathlib
from typing import Any

from benchmarks.growth import results as growth
from flan_jax.planning.scaling_table import replaced

_FOLDER = pathlib.Path(__file__).parent
RESULTS, README = _FOLDER / 'results', _FOLDER / 'README.md'
_COLUMNS = ('file', 'figure', 'value', 'machine', 'date', 'command')
# Fields that are no figures.
_ABOUT = ('cores', 'load', 'model', 'rounds', 'settings', 'versions')


def main() -> None:
  """Replaces the table."""
  README.write_text(replaced(README.read_text('utf-8'), rendered(RESULTS)))


def rendered(folder: pathlib.Path) -> str:
  """Returns Markdown of the files in a folder, a note if there are none."""
  found = {
    path.stem: json.loads(path.read_text('utf-8'))
    for path in sorted(folder.glob('*.json'))
  }
  if not found:
    return 'There are no files yet.'
  lines = [f'| {" | ".join(_COLUMNS)} |', f'|{"---|" * len(_COLUMNS)}']
  for name, result in found.items():
    # Only in the first line of a file.
    machine = f'{result["cores"]} cores, {result["processor"]}'
    about = [machine, result['date'][:10], f'`{result["command"]}`']
    for figure, value in figures_of(result):
      cells = [f'`{name}`', f'`{figure}`', value, *about]
      lines.append(f'| {" | ".join(cells)} |')
      about = [''] * len(about)
  if 'growth' in found:
    lines += ['', *growth.table(found['growth'])]
  return '\n'.join(lines)


def figures_of(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
  """Yields name and text of the figures of a file.

  These are numbers, and spreads as `figures.spread` makes them, of the whole
  and by side, case or dataset. What is nested more deeply is left out.
  """
  for name, value in result.items():
    if name in _ABOUT:
      continue
    if text := _text(value):
      yield name, text
    elif isinstance(value, Mapping):
      for part, figure in value.items():
        if text := _text(figure):
          yield f'{name}.{part}', text


def _text(value: Any) -> str | None:
  """Returns a figure as text, None if it is none."""
  match value:
    case bool():
      return 'yes' if value else 'no'
    case int():
      return f'{value:,}'
    case float():
      return f'{value:,.4g}' if abs(value) < 1e4 else f'{value:,.0f}'
    case {'median': median, 'q1': q1, 'q3': q3}:
      return f'{_text(median)} ({_text(q1)} to {_text(q3)})'
  return None


if __name__ == '__main__':
  main()
