"""All figures of a report, and the commands that would make absent ones."""

from collections.abc import Callable, Iterator, Sequence
import dataclasses
import pathlib
import re
import shlex

from flan_jax.definitions import registry
from flan_jax.report import commands
from flan_jax.report.confusions import confusions, read_counts
from flan_jax.report.data_figures import cluster_shares, lengths
from flan_jax.report.dataset_means import dataset_means, valid_answers
from flan_jax.report.drawing import (
  LOOKS,
  Absent,
  Drawing,
  Figure,
  save,
  style,
)
from flan_jax.report.protocol import StudyJson
from flan_jax.report.sources import Sources, Study
from flan_jax.report.study_bars import instruction_bars, prompt_tuning_bars
from flan_jax.report.study_lines import (
  cluster_lines,
  fewshot_lines,
  scale_lines,
  template_lines,
)
from flan_jax.report.study_rows import control_rows, main_rows
from flan_jax.report.systems import (
  System,
  base_of,
  find_systems,
  rows_of,
)
from flan_jax.report.template_strips import rank_flips, template_strips
from flan_jax.report.training_curves import training_curves

# Panel of a study -> the title of its figure, and what draws it.
_STUDIES: dict[str, tuple[str, Callable[[str, StudyJson], Drawing | None]]] = {
  'main': ('Before and after tuning, beside the paper', main_rows),
  'clusters': ('More clusters of tuning data', cluster_lines),
  'scale': ('Size of the model', scale_lines),
  'instructions': ('What instructions contribute', instruction_bars),
  'fewshot': ('Exemplars at tuning and at inference', fewshot_lines),
  'templates': ('More datasets and templates', template_lines),
  'prompt_tuning': ('Soft prompts', prompt_tuning_bars),
  'controls': ('Controls', control_rows),
}
_BESIDE = 3  # Most models whose matrices are side by side.


def figures(sources: Sources) -> list[Figure | Absent]:
  """Draws what the results show.

  Args:
    sources: The results.

  Returns:
    Figures, in the order of a report. A figure whose data is not there is
    `Absent`. The same results give the same bytes.

  Raises:
    UserError: A file of records cannot be read.
  """
  registry.load()
  with style():
    return [
      save(one) if isinstance(one, Drawing) else one
      for one in drawings(sources)
    ]


def drawings(sources: Sources) -> Iterator[Drawing | Absent]:
  """Yields the figures before they are saved; use it inside `style`."""
  yield from _of_runs(sources)
  yield from _of_systems(find_systems(sources), sources)
  yield from _of_studies(sources.studies)


def _of_runs(sources: Sources) -> Iterator[Drawing | Absent]:
  folders = [pathlib.PurePath(run.folder).name for run in sources.runs]
  names = _suffixes(folders)
  for (kind, title), draw in {
    ('training', 'Training'): training_curves,
    ('clusters_seen', 'Clusters seen'): cluster_shares,
    ('lengths', 'Lengths of examples'): lengths,
  }.items():
    found = []
    for run, folder, suffix in zip(sources.runs, folders, names, strict=True):
      facts = run.metrics if kind == 'training' else run.data
      about = f'{title}: {folder}' if len(folders) > 1 else title
      drawn = facts and draw(f'{kind}{suffix}', about, facts)
      found += [drawn] if drawn else []
    yield from found or [Absent(kind, title, commands.to_train(sources))]


def _suffixes(texts: Sequence[str]) -> list[str]:
  """Returns endings that tell names apart; one text alone needs none.

  >>> _suffixes(['a b', 'a/b', 'c']), _suffixes(['a'])
  (['_a_b', '_a_b_2', '_c'], [''])
  """
  if len(texts) < 2:
    return [''] * len(texts)
  seen: dict[str, int] = {}
  found = []
  for text in texts:
    slug = '_' + re.sub(r'[^A-Za-z0-9]+', '_', text).strip('_')
    number = seen[slug] = seen.get(slug, 0) + 1
    found.append(f'{slug}_{number}' if number > 1 else slug)
  return found


def _of_systems(
  systems: Sequence[System], sources: Sources
) -> Iterator[Drawing | Absent]:
  """Yields what compares models by dataset."""
  shown, note = _first(systems, len(LOOKS))
  evaluate = commands.to_evaluate(sources)
  for name, title, command, drawn in (
    (
      *('dataset_means', 'Results by dataset', evaluate),
      dataset_means('dataset_means', shown),
    ),
    (
      *('template_spread', 'Sensitivity to the wording', evaluate),
      template_strips('template_spread', shown),
    ),
    (
      *('valid_answers', 'Valid answers'),
      commands.to_evaluate(sources, '--gin.WRITE_OPTIONS=True'),
      valid_answers('valid_answers', shown),
    ),
  ):
    yield _with_note(drawn, note) if drawn else Absent(name, title, command)
  yield from _rank_flips(shown, commands.to_compare(sources))
  yield from _confusions(systems, evaluate)


def _first(
  systems: Sequence[System], most: int
) -> tuple[Sequence[System], str]:
  """Returns the first systems, and what a caption says of the others."""
  if len(systems) <= most:
    return systems, ''
  return systems[:most], f' Of {len(systems)} models, {most} are shown.'


def _with_note(drawn: Drawing, note: str) -> Drawing:
  return dataclasses.replace(drawn, caption=drawn.caption + note)


def _rank_flips(
  systems: Sequence[System], command: str
) -> Iterator[Drawing | Absent]:
  """Yields each tuned model against the model before tuning."""
  pairs = [(base_of(s, systems), s) for s in systems if not s.is_base]
  pairs = [(base, other) for base, other in pairs if base is not None]
  suffixes = _suffixes([other.label for _, other in pairs])
  found = [
    rank_flips(f'rank_flips{suffix}', *pair)
    for pair, suffix in zip(pairs, suffixes, strict=True)
  ]
  title = 'Which model is better depends on the wording'
  yield from [drawn for drawn in found if drawn] or [
    Absent('rank_flips', title, command)
  ]


def _confusions(
  systems: Sequence[System], command: str
) -> Iterator[Drawing | Absent]:
  shown, note = _first(systems, _BESIDE)
  counts = [read_counts(system) for system in shown]
  clusters = dict.fromkeys(cluster for cluster, _ in rows_of(shown))
  found = [
    confusions(f'confusion_{cluster}', cluster, shown, counts)
    for cluster in clusters
  ]
  yield from [_with_note(drawn, note) for drawn in found if drawn] or [
    Absent('confusion', 'Confusion of classes', command)
  ]


def _of_studies(studies: Sequence[Study]) -> Iterator[Drawing | Absent]:
  """Yields a figure for each kind of study."""
  for panel, (title, draw) in _STUDIES.items():
    own = [s for s in studies if s.json['design']['panel'] == panel]
    labels = [f'{s.json["study"]}_{s.json["size"]}' for s in own]
    for study, suffix in zip(own, _suffixes(labels), strict=True):
      name = f'study_{panel}{suffix}'
      yield draw(name, study.json) or Absent(name, title, _again(study))
    if not own:
      command = f'flan-jax study {panel} --size=small --gin.DATA_DIR=tfds/'
      yield Absent(f'study_{panel}', title, command)


def _again(study: Study) -> str:
  """Returns the command that finishes a study."""
  folder = shlex.quote(str(pathlib.PurePath(study.path).parent.parent))
  return (
    f'flan-jax study {study.json["study"]} --size={study.json["size"]} '
    f'--study_dir={folder}'
  )
