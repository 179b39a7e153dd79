"""What was tuned, on what, and with which software."""

from collections.abc import Iterable, Mapping, Sequence
import dataclasses
import pathlib
import re
from typing import Any

from flan_jax.definitions import names
from flan_jax.errors import UserError
from flan_jax.report.sources import Evaluation, Sources, Study, TrainingRun
from flan_jax.report.tables import COUNT, TEXT, Column, Table
from flan_jax.terminal.blocks import counted

_MACRO = re.compile(r'([A-Z][A-Z0-9_]*) = (.*)')
_SMOKE = 'smoke: it shows that the study runs; its numbers mean nothing'
_FIELD = re.compile(r'DecoderConfig\.(\w+) = (.*)')


@dataclasses.dataclass(frozen=True)
class Facts:
  """What a report says of one run or study at its top.

  Attributes:
    title: Its name.
    lines: Pairs of a label and a text.
  """

  title: str
  lines: tuple[tuple[str, str], ...]


def macros(gin: str) -> dict[str, str]:
  """Returns the macros of an operative configuration.

  >>> macros("SEED = 0\\nDecoderConfig.d_ff = 64")
  {'SEED': '0'}
  """
  # Gin continues long values on the next line.
  lines = re.sub(r'\\\n\s*', '', gin).splitlines()
  found = (_MACRO.fullmatch(line) for line in lines)
  return dict(one.groups() for one in found if one)


def facts(sources: Sources) -> list[Facts]:
  """Returns what was tuned, for each run, study and evaluation."""
  found = [_of_run(run) for run in sources.runs]
  found += [_of_study(study) for study in sources.studies]
  found += [
    Facts(f'Evaluation: {evaluation.folder}', tuple(_of_evaluation(evaluation)))
    for evaluation in sources.evaluations
  ]
  return found


def _of_run(run: TrainingRun) -> Facts:
  values = macros(run.config)
  evaluations = (*run.evaluations, *run.base)
  trained = values.get('MIXTURE_OR_TASK_NAME', 'None').strip('\'"')
  lines = [
    *_not_held_out(evaluations),
    ('base model', _base_model(run.config)),
    *_trained_lines(trained, run.evaluations),
    *_progress(run.metrics),
    *_data_lines(values.get('DATA_DIR'), evaluations),
  ]
  return Facts(
    f'Training run: {pathlib.PurePath(run.folder).name}', tuple(lines)
  )


def _of_study(study: Study) -> Facts:
  about = study.json
  cells = about['cells']
  finished = sum(cell['finished'] for cell in cells)
  runs = {c['run']['folder']: c['run'] for c in cells if c['run']}
  config = next((run.config for run in study.runs.values()), '')
  holdouts = ', '.join(about['design']['holdouts'])
  tokens = sum(run['tokens'] for run in runs.values())
  steps = sorted({run['steps'] for run in runs.values()})
  evaluations = tuple(study.evaluations.values())
  lines = [
    *_not_held_out(evaluations),
    ('base model', _base_model(config)) if config else ('base model', '–'),
    ('held out, one at a time', holdouts),
    *([('size', _SMOKE)] if about['size'] == 'smoke' else []),
    ('arms', ', '.join(about['design']['arms'])),
    ('cells', f'{finished} of {len(cells)} finished'),
    ('training runs', f'{len(runs):,}'),
    ('steps of each', ', '.join(f'{count:,}' for count in steps) or '–'),
    ('tokens of all, padding included', f'{tokens:,}'),
    *_data_lines(macros(config).get('DATA_DIR'), evaluations),
  ]
  return Facts(f'Study: {about["study"]}, size {about["size"]}', tuple(lines))


def _of_evaluation(evaluation: Evaluation) -> Iterable[tuple[str, str]]:
  about = evaluation.about
  trained = about.get('trained_on')
  yield from _not_held_out([evaluation])
  yield 'evaluated on', evaluation.mixture
  for label, key in (
    ('checkpoint', 'checkpoint'),
    ('steps of tuning', 'step'),
  ):
    if about.get(key) is not None:
      yield label, str(about[key])
  if trained:
    yield from _trained_lines(trained, [evaluation])
  gin = '\n'.join(about.get('configuration', ()))
  yield from _data_lines(macros(gin).get('DATA_DIR'), [evaluation])


def _base_model(config: str) -> str:
  """Returns where the parameters came from, and the shape of the model."""
  values = macros(config)
  fields = dict(_FIELD.findall(config))
  start = values.get('INITIAL_CHECKPOINT_PATH', 'None')
  if start == 'None':
    origin = f'parameters drawn at random with seed {values.get("SEED", "0")}'
  else:
    origin = start.strip('\'"')
  shape = [
    f'{words} {fields[key]}'
    for key, words in (
      ('num_layers', 'layers:'),
      ('d_model', 'width:'),
      ('vocab_size', 'vocabulary:'),
    )
    if key in fields
  ]
  return f'{origin} ({", ".join(shape)})' if shape else origin


def _not_held_out(evaluations: Sequence[Evaluation]) -> list[tuple[str, str]]:
  """Returns what was trained on although it, or its like, was evaluated.

  The evaluation of a run's initial parameters records what the run trains on.
  """
  parts = dict.fromkeys(
    breach['trained']
    for evaluation in evaluations
    for key in ('not_held_out', 'run_not_held_out')
    for breach in evaluation.about.get(key) or ()
  )
  return [('not held out', ', '.join(parts))] if parts else []


def _trained_lines(
  trained: str, evaluations: Sequence[Evaluation]
) -> list[tuple[str, str]]:
  lines = [('tuned on', _tuned_on(trained))]
  found = [e.about.get('not_held_out') for e in evaluations]
  tested = ', '.join(
    sorted({r.cluster for e in evaluations for r in e.results})
  )
  if any(found):
    lines.append(('evaluated', tested))
  elif None in found:
    lines.append(('evaluated; held out or not is not recorded', tested))
  elif found:
    lines.append(('held out', tested))
  return lines


def _tuned_on(trained: str) -> str:
  try:
    members = names.resolve(trained).members
  except UserError:
    # A mixture of a module that is not imported here.
    return trained
  datasets = {member.dataset.name for member in members}
  clusters = {member.part.cluster for member in members}
  return (
    f'{trained}: {counted(len(datasets), "dataset")} in '
    f'{counted(len(clusters), "cluster")}'
  )


def _progress(metrics: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
  steps = [line for line in metrics if line['kind'] == 'train']
  if not steps:
    return []
  lines = [('steps', f'{steps[-1]["step"]:,}')]
  for key, label in (
    ('tokens', 'tokens'),
    ('target_tokens', 'tokens that carry loss'),
    ('examples', 'examples'),
  ):
    values = [line[key] for line in steps if key in line]
    if len(values) == len(steps):
      lines.append((label, f'{int(sum(values)):,}'))
  return lines


def _data_lines(
  data_dir: str | None, evaluations: Sequence[Evaluation]
) -> list[tuple[str, str]]:
  lines = []
  if data_dir and data_dir.strip('\'"') == 'mini':
    lines.append(
      (
        'data',
        'the shipped corpus: rows written for this project, too few to '
        'train a good model',
      )
    )
  adapted = {r.part for e in evaluations for r in e.results if r.adapted}
  if adapted:
    lines.append(
      (
        'adapted splits',
        f'{counted(len(adapted), "dataset")}, not comparable with the paper',
      )
    )
  return lines


def _all_evaluations(sources: Sources) -> list[Evaluation]:
  found = list(sources.evaluations)
  for run in sources.runs:
    found += (*run.base, *run.evaluations)
  for study in sources.studies:
    found += study.evaluations.values()
  return found


def version_table(sources: Sources) -> Table:
  """Returns the versions of the software that evaluated."""
  found: dict[str, set[str]] = {}
  for evaluation in _all_evaluations(sources):
    about = {'flan_jax': evaluation.about.get('flan_jax')}
    about |= evaluation.about.get('software', {})
    for name, version in about.items():
      if version:
        found.setdefault(name, set()).add(version)
  for study in sources.studies:
    found.setdefault('flan_jax', set()).add(study.json['flan_jax'])
  return Table(
    'versions',
    'Versions',
    'Of the software that evaluated. Several versions mean that results were '
    'made at different times.',
    (Column('package', 'package', TEXT), Column('version', 'version', TEXT)),
    tuple(
      {'package': name, 'version': ', '.join(sorted(versions))}
      for name, versions in found.items()
    ),
  )


def digest_table(sources: Sources) -> Table:
  """Returns the digests of the cached data that was evaluated."""
  rows = {}
  for evaluation in _all_evaluations(sources):
    for result in evaluation.results:
      row = {
        'dataset': result.part,
        'format': result.format,
        'shots': result.shots,
        'template_set': result.template_set,
        **{split: digest for split, digest in result.cache.items()},
        'bleu': ', '.join(result.bleu_signature.values()),
      }
      rows.setdefault(tuple(row.values()), row)
  return Table(
    'digests',
    'Digests of the data',
    'A digest covers the rows, templates, lengths and vocabulary of a split.',
    (
      Column('dataset', 'dataset', TEXT),
      Column('format', 'format', TEXT),
      Column('shots', 'exemplars', COUNT),
      Column('template_set', 'template set', TEXT),
      Column('test', 'test rows', TEXT),
      Column('validation', 'validation rows', TEXT),
      Column('bleu', 'SacreBLEU', TEXT),
    ),
    tuple(rows.values()),
  )
