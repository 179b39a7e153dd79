"""The panel of `prompt_tuning`: figure 10."""

from collections.abc import Sequence
from typing import Any

from flan_jax.studies.design import StudyDesign
from flan_jax.studies.panel_values import CellJson, mean, seed_mean
from flan_jax.studies.published_curves import (
  FIGURE_10,
  PROMPT_TUNING_DATASETS,
)

# Arm and label -> the bar of the figure, by system and number of examples.
BARS = {
  ('base', '32 examples'): ('LaMDA-PT', 32),
  ('tuned', '32 examples'): ('FLAN 137B', 32),
  ('base', 'all examples'): ('LaMDA-PT', None),
  ('tuned', 'all examples'): ('FLAN 137B', None),
}


def prompt_tuning_panel(
  design: StudyDesign, cells: Sequence[CellJson]
) -> dict[str, Any]:
  """Returns one line for each arm and label, with the mean over the tasks.

  The paper's mean is given where all of its tasks have a result.
  """
  del design
  found: dict[tuple[str, str], dict[str, list[Any]]] = {}
  for cell in cells:
    for prompt in cell['prompts']:
      tasks = found.setdefault((cell['arm'], prompt['label']), {})
      (part,) = prompt['parts']
      tasks.setdefault(prompt['task'], []).append(part)
  published = {(bar.system, bar.examples): bar for bar in FIGURE_10}
  lines = []
  for key, tasks in found.items():
    scores = {name: seed_mean(parts) for name, parts in tasks.items()}
    bar = published.get(BARS.get(key))
    whole = all(name in scores for name in PROMPT_TUNING_DATASETS)
    lines.append(
      {
        'arm': key[0],
        'trained on': key[1],
        **scores,
        'mean': mean(scores.values()),
        'paper': bar.mean if bar and whole else None,
      }
    )
  return {'prompts': lines}
