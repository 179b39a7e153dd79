"""What the results of a study are compared in, by the name of its panel."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flan_jax.errors import ConfigError, nearest
from flan_jax.studies.ablation_panels import (
  clusters_panel,
  fewshot_panel,
  instructions_panel,
  scale_panel,
  templates_panel,
)
from flan_jax.studies.collect import CellResult
from flan_jax.studies.controls_panel import check_endpoints, controls_panel
from flan_jax.studies.design import StudyDesign
from flan_jax.studies.main_panel import main_panel
from flan_jax.studies.prompt_panel import prompt_tuning_panel
from flan_jax.terminal.blocks import Block, Line, Table, spaced

# Name -> makes the panel from the design and the cells of study.json.
PANELS: Mapping[str, Callable[..., dict[str, Any]]] = {
  'main': main_panel,
  'clusters': clusters_panel,
  'scale': scale_panel,
  'instructions': instructions_panel,
  'fewshot': fewshot_panel,
  'templates': templates_panel,
  'prompt_tuning': prompt_tuning_panel,
}
# This one reads the records of the evaluations.
CONTROLS = 'controls'


def check(design: StudyDesign) -> None:
  """Raises ConfigError if a study names an unknown panel."""
  known = [*PANELS, CONTROLS]
  if design.panel not in known:
    raise ConfigError(
      f'study.panel is {design.panel!r}{nearest(design.panel, known)}; the '
      f'panels are {", ".join(known)}'
    )
  if design.panel == CONTROLS:
    check_endpoints(design)


def panel(
  design: StudyDesign,
  results: Sequence[CellResult],
  cells: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
  """Returns the panel of a study: title -> the lines of a table.

  Args:
    design: The study.
    results: What is finished of each cell.
    cells: The same as JSON.
  """
  if design.panel == CONTROLS:
    return controls_panel(design, results)
  return PANELS[design.panel](design, cells)


def tables(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Block]:
  """Returns a panel as tables with titles."""
  return spaced(
    [Line(f'{title}:', 'bold'), Table.of([_cells(line) for line in lines])]
    for title, lines in found.items()
    if lines
  )


def _cells(line: Mapping[str, Any]) -> dict[str, str]:
  return {name: _cell(value) for name, value in line.items()}


def _cell(value: Any) -> str:
  if value is None:
    return '-'
  if isinstance(value, bool):
    return 'yes' if value else 'no'
  return f'{value:.1f}' if isinstance(value, float) else str(value)
