"""`flan-jax compare`: what differs between two evaluations of the same rows."""

from collections.abc import Sequence
import dataclasses
import json
from typing import Any

from flan_jax.command_flags.compare_flags import make_parser
from flan_jax.definitions import registry, template_set
from flan_jax.definitions.held_out import headline
from flan_jax.errors import UserError
from flan_jax.evaluation import comparison
from flan_jax.evaluation.part_result import PartResult
from flan_jax.rendering.exemplars import PER_ROW
from flan_jax.report.differences import Difference, differences
from flan_jax.report.sources import Evaluation, read_sources
from flan_jax.report.systems import System, row_name
from flan_jax.terminal.blocks import Block, Line, Paragraph, spaced
from flan_jax.terminal.screen import show


def main(argv: Sequence[str]) -> int:
  """Runs the command with the given flags; returns its exit code.

  Raises:
    UserError: A result cannot be read, or the runs have no rows in common.
  """
  flags = make_parser().parse_args(argv)
  registry.load(flags.task_module)
  if flags.template_set:
    template_set.apply(flags.template_set)
  before, after = (_system(path) for path in (flags.run_a, flags.run_b))
  found = differences(before, after)
  known = {row: one for row, one in found.items() if one.line is not None}
  notes = [one.note for one in found.values() if one.note]
  if not known:
    reason = notes[0] if notes else 'they have no dataset in common'
    raise UserError(
      f'{flags.run_a} and {flags.run_b} cannot be compared: {reason}'
    )
  lines = [{**one.line, 'label': row} for row, one in known.items()]
  means = _means(after, known)
  if flags.format == 'json':
    about = {'before': flags.run_a, 'after': flags.run_b}
    about |= {'datasets': lines, 'means': means, 'not_compared': notes}
    print(json.dumps(about, indent=1, ensure_ascii=False))
    return 0
  title = f'{flags.run_a} (before) and {flags.run_b} (after), in percent:'
  show(
    spaced(
      [
        [
          *_warnings(before),
          *_warnings(after),
          *_other_prompts(before, after),
          *_other_exemplars(before, after),
          Line(title, 'bold'),
        ],
        *comparison.comparison_tables(lines, means),
        [Paragraph(f'not compared: {note}') for note in notes],
      ]
    )
  )
  return 0


def _system(path: str) -> System:
  """Reads the tuned results of a run, or of the evaluations in a folder."""
  sources = read_sources([path])
  evaluations = [
    *sources.evaluations,
    *(e for run in sources.runs for e in run.evaluations),
  ]
  parts: dict[str, PartResult] = {}
  for evaluation in evaluations:
    for result in evaluation.results:
      row = row_name(result)
      if row in parts:
        raise UserError(
          f'{path} has several results of {row}: name the folder of one '
          'evaluation, such as MODEL_DIR/eval/flan_eval_nli'
        )
      if result.mean is not None:
        parts[row] = result
  if not parts:
    raise UserError(f'{path} has no results: name an evaluation')
  return System(path, path, parts, tuple(map(_without_line, evaluations)))


def _without_line(evaluation: Evaluation) -> Evaluation:
  """Leaves out the comparison with the model before tuning."""
  return dataclasses.replace(evaluation, comparison=())


def _means(
  system: System, known: dict[str, Difference]
) -> list[dict[str, Any]]:
  """Returns the means over what was asked with the same format and shots."""
  kinds: dict[tuple[str, int], list[Any]] = {}
  for row, one in known.items():
    result = system.parts[row]
    kinds.setdefault((result.format, result.shots), []).append(one.line)
  return [mean for lines in kinds.values() for mean in comparison.means(lines)]


def _warnings(system: System) -> list[Block]:
  """Returns a line for each evaluation of what was not held out."""
  return [
    Line(f'{evaluation.folder}: {found}', 'yellow')
    for evaluation in system.evaluations
    if (found := headline(evaluation.about.get('not_held_out')))
  ]


def _other_prompts(before: System, after: System) -> list[Block]:
  """Returns a line if the models saw other text around their inputs."""
  return _other('PROMPT_FORMAT', before, after, 'prompt_format', None)


def _other_exemplars(before: System, after: System) -> list[Block]:
  """Returns a line if the models saw exemplars that were drawn otherwise."""
  shown = (*before.parts.values(), *after.parts.values())
  if not any(result.shots for result in shown):
    return []
  return _other(
    'FEWSHOT_EXEMPLARS', before, after, 'fewshot_exemplars', PER_ROW
  )


def _other(
  setting: str, before: System, after: System, key: str, default: str | None
) -> list[Block]:
  """Returns a line if evaluations record other values of a setting."""
  one, other = (
    sorted({repr(e.about.get(key, default)) for e in s.evaluations})
    for s in (before, after)
  )
  if one == other:
    return []
  return [
    Line(
      f'{setting} differs: {", ".join(one)} before, {", ".join(other)} after',
      'yellow',
    )
  ]
