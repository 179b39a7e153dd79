"""Makes the units of the token cache from TFDS (imports TensorFlow)."""

from collections.abc import Callable, Iterable, Sequence
import json
import os
import pathlib
import shutil
from typing import Any

import numpy as np
import tensorflow as tf

from flan_jax import __version__
from flan_jax.data import cache, fingerprint, names, registry
from flan_jax.data.cache import CacheConfig, Unit, UnitKey
from flan_jax.data.dataset import ANSWER_TARGET, Dataset
from flan_jax.data.expand import Fitter, render_rows
from flan_jax.data.source import SPLIT_OF_ROLE, RoleSource, plain_tensorflow
from flan_jax.data.templates import compile_templates
from flan_jax.data.vocabulary import Vocabulary


def make_units(
  keys: Iterable[UnitKey],
  config: CacheConfig,
  vocabulary: Vocabulary,
  log: Callable[[str], None] = print,
) -> list[Unit]:
  """Makes every unit that is not there yet, and opens all.

  Args:
    keys: The units.
    config: Directories and lengths.
    vocabulary: Tokenizes them.
    log: Called with one line a unit.

  Raises:
    roles.MissingDataError: a source is not prepared; checked for all before
      anything is written, and says which commands bring it.
  """
  keys = list(dict.fromkeys(keys))
  sources = {key: _source(key, config) for key in keys}
  for source in sources.values():
    _ = source.class_names, source.slices
  return [_make_unit(k, sources[k], config, vocabulary, log) for k in keys]


def _source(key: UnitKey, config: CacheConfig) -> RoleSource:
  dataset, _ = registry.find_part(key.part)
  part = key.find_part()
  return RoleSource(part, dataset.resolve_parts(), config.data_dir)


def _make_unit(key, source, config, vocabulary, log) -> Unit:
  root = pathlib.Path(config.cache_dir).expanduser()
  copy = fingerprint.copy_digest(source.part.source, config.data_dir)
  path = root / cache.unit_name(key, config, vocabulary, copy)
  if (path / cache.MANIFEST).is_file():
    return Unit(path)
  temporary = path.with_name(f'.{path.name}.writing')
  shutil.rmtree(temporary, ignore_errors=True)
  temporary.mkdir(parents=True)
  targets = [template.target for template in source.part.templates]
  with _UnitWriter(temporary, key.role, vocabulary, targets) as writer:
    for example in _examples(key, source, config, vocabulary):
      writer.add(example)
    writer.finish(_describe(key, source, config, vocabulary))
  os.replace(temporary, path)
  unit = Unit(path)
  log(_summary(unit))
  return unit


def _summary(unit: Unit) -> str:
  counts = unit.manifest['counts']
  line = (
    f'cached {unit.name} ({unit.manifest["role"]}): {counts["rows"]} rows, '
    f'{counts["records"]} renderings, {counts["tokens"]} tokens'
  )
  for name, words in _REMARKS.items():
    if counts[name]:
      line += f', {counts[name]} {words}'
  if unit.manifest['adapted']:
    line += f' | split adapted: {unit.manifest["adapted"]}'
  return line


_REMARKS = {
  'rows_filtered': 'rows filtered',
  'materials_shortened': 'materials shortened',
  'prompts_cut': 'prompts cut at the end',
  'targets_cut': 'targets cut',
}


def _examples(key, source, config, vocabulary) -> Iterable[dict[str, Any]]:
  """Yields every rendering of a unit, the renderings of a row together."""
  part = source.part
  task = names.TaskName(key.part, part, part, every=True)
  trains = key.role == 'train'
  rows = source.get_dataset(SPLIT_OF_ROLE[key.role], shuffle=False)
  split = SPLIT_OF_ROLE[key.role]
  renderings = cache.renderings_of(source.num_input_examples(split))
  rendered = render_rows(
    rows,
    task,
    renderings=renderings if trains else None,
    templates=key.templates,
  )
  framing = cache.Framing.of(config, vocabulary)
  fit = Fitter(
    table=compile_templates(part),
    vocabulary=vocabulary.as_seqio(),
    inputs=config.lengths['inputs'] - framing.prompt_overhead,
    targets=config.lengths['targets'],
  )
  kept = (
    'id',
    'group',
    'item',
    'template',
    'options',
    'correct',
    'answers',
    'class',
    'score',
  )

  @plain_tensorflow
  def tokenize(row):
    return {**{name: row[name] for name in kept}, **fit(row)}

  # Optimizing the graph takes longer than most units take to be read.
  options = tf.data.Options()
  options.experimental_optimization.apply_default_optimizations = False
  examples = rendered.map(tokenize, num_parallel_calls=tf.data.AUTOTUNE)
  return examples.with_options(options).as_numpy_iterator()


class _UnitWriter:
  """Streams renderings to the files of one unit."""

  def __init__(
    self,
    path: pathlib.Path,
    role: str,
    vocabulary: Vocabulary,
    targets: Sequence[str],
  ):
    self._targets = targets
    self._row: dict[str, Any] | None = None
    self._path = path
    self._trains = role == 'train'
    self._vocabulary = vocabulary
    self._dtype = np.dtype('<u2' if vocabulary.size <= 2**16 else '<u4')
    self._ends: list[int] = [0]
    self._records: list[tuple] = []
    self._option_ids: dict[bytes, np.ndarray] = {}
    self._row_id = None
    self._rows = 0
    self._cut = {'materials_shortened': 0, 'prompts_cut': 0, 'targets_cut': 0}

  def __enter__(self):
    self._tokens = open(self._path / cache.TOKENS, 'wb')
    self._row_file = open(self._path / cache.ROWS, 'w', encoding='utf-8')
    return self

  def __exit__(self, *_):
    self._tokens.close()
    self._row_file.close()

  def add(self, example: dict[str, Any]) -> None:
    """Appends one rendering; those of a row come one after the other."""
    if example['id'] != self._row_id:
      self._write_row()
      self._row_id, self._row = example['id'], _row(example)
      self._rows += 1
    if not self._trains:
      self._keep_target(example)
    first = len(self._ends) - 1
    self._add_piece(example['inputs'])
    if self._trains or not len(example['options']):
      self._add_piece(example['targets'])
    else:
      for option in example['options']:
        self._add_piece(self._encode_option(option))
    self._records.append(
      (
        self._rows - 1,
        example['template'],
        example['inputs_cut'],
        example['targets_cut'],
        len(self._ends) - 1 - first,
        first,
      )
    )
    self._cut['materials_shortened'] += int(example['inputs_cut'] == 1)
    self._cut['prompts_cut'] += int(example['inputs_cut'] == 2)
    self._cut['targets_cut'] += int(example['targets_cut'])

  def _write_row(self) -> None:
    if self._row is not None:
      text = json.dumps(self._row, ensure_ascii=False)
      self._row_file.write(text + '\n')

  def _keep_target(self, example: dict[str, Any]) -> None:
    """Keeps what a template asks for where that is not the row's answer."""
    pattern = self._targets[example['template']]
    if pattern != ANSWER_TARGET:
      text = example['targets_pretokenized'].decode()
      self._row.setdefault('targets', {})[pattern] = text

  def _encode_option(self, option: bytes) -> np.ndarray:
    """Tokenizes an option; the words of fixed classes recur in every row."""
    if option not in self._option_ids:
      ids = self._vocabulary.encode(option.decode())
      self._option_ids[option] = np.asarray(ids, self._dtype)
    return self._option_ids[option]

  def _add_piece(self, ids: np.ndarray) -> None:
    self._tokens.write(np.asarray(ids).astype(self._dtype).tobytes())
    self._ends.append(self._ends[-1] + len(ids))

  def finish(self, description: dict[str, Any]) -> None:
    """Writes the index and, last, the manifest."""
    self._write_row()
    self._tokens.flush()
    self._row_file.flush()
    np.save(self._path / cache.PIECES, np.asarray(self._ends, np.int64))
    np.save(self._path / cache.RECORDS, np.asarray(self._records, cache.RECORD))
    source_rows = description.pop('source_rows')
    manifest = {
      **description,
      'dtype': self._dtype.str,
      'counts': {
        'source_rows': source_rows,
        'rows': self._rows,
        'rows_filtered': source_rows - self._rows,
        'records': len(self._records),
        'tokens': self._ends[-1],
        **self._cut,
      },
      'files': {
        name: {
          'bytes': (self._path / name).stat().st_size,
          'sha256': fingerprint.file_digest(self._path / name),
        }
        for name in (cache.TOKENS, cache.PIECES, cache.RECORDS, cache.ROWS)
      },
    }
    (self._path / cache.MANIFEST).write_text(
      json.dumps(manifest, indent=1, ensure_ascii=False)
    )


def _row(example: dict[str, Any]) -> dict[str, Any]:
  """Returns what evaluation needs to know of a row."""
  row = {
    'id': example['id'].decode(),
    # Hexadecimal: JSON numbers lose the low bits of 64.
    'group': f'{int(example["group"]):016x}',
    'class': int(example['class']),
    'answers': [answer.decode() for answer in example['answers']],
  }
  if len(example['options']):
    row['correct'] = np.flatnonzero(example['correct']).tolist()
    if row['class'] < 0:
      row['options'] = [option.decode() for option in example['options']]
  if example['item']:
    row['item'] = f'{int(example["item"]):016x}'
  if not np.isnan(example['score']):
    row['score'] = round(float(example['score']), 6)
  return row


def _describe(key, source, config, vocabulary) -> dict[str, Any]:
  part: Dataset = source.part
  dataset, _ = registry.find_part(key.part)
  found = source.slices[key.role]
  split = SPLIT_OF_ROLE[key.role]
  return {
    'layout': cache.LAYOUT,
    'flan_jax': __version__,
    'part': part.name,
    'dataset': dataset.name,
    'version': part.version,
    'cluster': part.cluster,
    'role': key.role,
    'source': part.source,
    'slice': part.splits[key.role],
    'adapted': found.reason,
    'recorded_rows': part.rows.get(key.role),
    'source_rows': source.num_input_examples(split),
    'format': key.format,
    'choices': part.choices,
    'metrics': list(part.metrics),
    'note': part.note,
    'derived_from': list(part.derived_from),
    'templates': [
      {
        'input': template.input,
        'target': template.target,
        'inverted': template.inverted,
        'group': template.group,
      }
      for template in part.templates
    ],
    'templates_used': key.templates,
    'template_set': part.template_set,
    'vocabulary': {'digest': vocabulary.digest, 'size': vocabulary.size},
    'lengths': dict(config.lengths),
    'separator': config.separator,
  }
