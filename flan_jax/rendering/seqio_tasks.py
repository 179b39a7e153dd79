"""SeqIO tasks and mixtures of declared datasets, registered on first use."""

from collections.abc import Callable, Mapping
import functools
from typing import Any
import warnings

import numpy as np
import seqio
import tensorflow as tf

from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import Dataset, evaluated
from flan_jax.definitions.mixture_plan import (
  MixturePlan,
  PlanMember,
  mixing_rate,
)
from flan_jax.rendering.exemplars import (
  AFTER_INPUT,
  AFTER_TARGET,
  choose,
  exemplar_keys,
  most_tokens,
)
from flan_jax.rendering.lengths import DEFAULT_LENGTHS, renderings_of
from flan_jax.rendering.missing_data import missing_data, missing_parts
from flan_jax.rendering.render import render_rows, tokenize_rows
from flan_jax.rendering.seqio_metrics import (
  accuracy,
  rank_accuracy,
  rank_key,
  stripped,
)
from flan_jax.rendering.source import SplitSource
from flan_jax.rendering.templates import compile_templates
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.load import MINI, load_vocabulary
from flan_jax.vocabulary.seqio import as_seqio

# Where a few-shot example has its query, as text.
QUERY = 'query_pretokenized'

_process: dict[str, tuple[str, str | None]] = {}
# Registered mixture -> members that are not prepared.
_left_out: dict[str, list[str]] = {}


def get_mixture_or_task(
  name: str,
  vocabulary: str = MINI,
  data_dir: str | None = None,
  allow_missing: bool = False,
):
  """Returns a SeqIO task or mixture, which is registered on first use.

  Args:
    name: `rte`, `rte.t3`, `anli:anli_r1.t0.rank`, `rte.all`,
      `flan_holdout_nli`, or anything that is registered with SeqIO already.
    vocabulary: 'mini' or the path of a SentencePiece model. A process uses
      one.
    data_dir: TFDS data directory; None for TFDS's default. A process uses one.
    allow_missing: Whether to leave out members of a mixture whose data is not
      prepared, with a warning that names them.

  Returns:
    A `seqio.Task` or `seqio.Mixture`, also in SeqIO's registries.

  Raises:
    UnknownNameError: unknown name; suggests the three nearest.
    MissingDataError: data is not prepared; names all of it and the commands.
    ValueError: the process uses another vocabulary or data directory.
  """
  registry.load()
  chosen = _process.setdefault('chosen', (vocabulary, data_dir))
  if chosen != (vocabulary, data_dir):
    raise ValueError(
      f'this process registers SeqIO tasks with (vocabulary, data_dir) '
      f'{chosen}; start another process for {(vocabulary, data_dir)}'
    )
  if name in _registered() and not (_left_out.get(name) and not allow_missing):
    return seqio.get_mixture_or_task(name)
  plan = names.resolve(name)
  members = _prepared(plan, data_dir, allow_missing)
  if plan.purpose is None and len(plan.members) == 1:
    return _register_task(name, load_vocabulary(vocabulary), data_dir)
  trains = all(member.part.trains for member in plan.members)
  tasks = []
  for member in members:
    if member.shots and member.exemplar_part is None:
      continue  # Without training rows there are no exemplars.
    task_names = names.task_names(member)
    rate = functools.partial(_mixing_rate, shares=len(task_names))
    for task in task_names:
      get_mixture_or_task(task, vocabulary, data_dir)
      tasks.append((task, rate if trains else 1.0))
  return seqio.MixtureRegistry.add(name, tasks)


def _registered() -> set[str]:
  return {*seqio.MixtureRegistry.names(), *seqio.TaskRegistry.names()}


def _with_hint(get: Callable[[str], Any]) -> Callable[[str], Any]:
  """Has SeqIO's function say how a name of this project is registered."""

  @functools.wraps(get)
  def get_or_explain(task_or_mixture_name: str) -> Any:
    try:
      return get(task_or_mixture_name)
    except ValueError as error:
      registry.load()
      try:
        names.resolve(task_or_mixture_name)
      except registry.UnknownNameError:
        raise error from None
      raise ValueError(
        f'{error} It is a name of flan_jax, which is registered on first use: '
        'call flan_jax.rendering.seqio_tasks.get_mixture_or_task('
        f'{task_or_mixture_name!r}, vocabulary=..., data_dir=...) before'
      ) from error

  return get_or_explain


if not hasattr(seqio.get_mixture_or_task, '__wrapped__'):
  # The second name is what `seqio.get_dataset` and `seqio.Evaluator` call. Both
  # explain once this module is imported; an import of SeqIO alone stays as it
  # is.
  seqio.get_mixture_or_task = _with_hint(seqio.get_mixture_or_task)
  seqio.dataset_providers.get_mixture_or_task = seqio.get_mixture_or_task


def _prepared(
  plan: MixturePlan, data_dir: str | None, allow_missing: bool
) -> list[PlanMember]:
  """Returns the members whose data is prepared.

  Raises:
    MissingDataError: some is not, and may not be left out; or none is.
  """
  missing = missing_parts(
    (part for member in plan.members for part in _parts(member)), data_dir
  )
  sources = {part.source for part in missing}
  found = [
    member
    for member in plan.members
    if not any(part.source in sources for part in _parts(member))
  ]
  if missing and not (allow_missing and found):
    raise missing_data(missing, data_dir, 'allow_missing=True')
  if missing:
    _left_out[plan.name] = [part.name for part in missing]
    left_out = ', '.join(_left_out[plan.name])
    warnings.warn(
      f'{plan.name} leaves out what is not prepared: {left_out}', stacklevel=3
    )
  return found


def _parts(member: PlanMember) -> list[Dataset]:
  """Returns the parts whose rows a member reads."""
  if member.shots and member.exemplar_part:
    return [member.part, member.exemplar_part]
  return [member.part]


def _mixing_rate(task: seqio.Task, shares: int) -> float:
  """Examples-proportional mixing with a maximum, as in FLAN (section 2.1).

  A part that is mixed in template by template divides its rate among them.
  """
  return mixing_rate(task.num_input_examples('train')) / shares


def _register_task(
  name: str, vocabulary: Vocabulary, data_dir: str | None
) -> seqio.Task:
  task = names.parse_task(name)
  templates = None if task.template is None else (task.template,)
  if task.rank and templates is None:
    templates = evaluated(task.part.templates)
  feature = seqio.Feature(as_seqio(vocabulary), add_eos=True)
  part, partial = task.part, functools.partial
  preprocessors = [
    partial(render_rows, part=part, templates=templates, every=task.every),
    partial(tokenize_rows, part=part, vocabulary=vocabulary),
  ]
  if task.shots:
    pool = ExemplarPool(SplitSource(part.exemplar_part, data_dir), task.shots)
    preprocessors.append(
      partial(add_exemplars, pool=pool, vocabulary=vocabulary)
    )
  if task.rank:
    preprocessors.append(_one_example_per_option)
  return seqio.TaskRegistry.add(
    name,
    source=SplitSource(part, data_dir),
    preprocessors=preprocessors,
    output_features={'inputs': feature, 'targets': feature},
    postprocess_fn=rank_key if task.rank else stripped,
    metric_fns=[rank_accuracy if task.rank else accuracy],
  )


class ExemplarPool:
  """Training rows of a part as rendered text, by template; read on first use.

  The token cache draws from the same rows in the same order.
  """

  def __init__(self, source: SplitSource, shots: int):
    """Takes the source of exemplars, and the most of them before an example."""
    self._source = source
    self._shots = shots

  @functools.cached_property
  def _by_template(self) -> dict[int, tuple[np.ndarray, list]]:
    """Template -> (groups, (input, target) texts), in the cache's order."""
    part = self._source.part
    table = compile_templates(part)
    rows = self._source.get_dataset('train', shuffle=False)
    count = renderings_of(self._source.num_input_examples('train'))

    def text(row):
      pair = table.render(row['pool'], row['template'])
      return row['template'], row['group'], pair

    rendered = render_rows(rows, part, every=True, renderings=count).map(text)
    found: dict[int, tuple[list, list]] = {}
    for template, group, pair in rendered.as_numpy_iterator():
      groups, texts = found.setdefault(int(template), ([], []))
      groups.append(group)
      texts.append(tuple(side.decode() for side in pair))
    return {k: (np.array(g), texts) for k, (g, texts) in found.items()}

  def exemplars(
    self, template: int, row_id: bytes, group: int, seed: int
  ) -> list[tuple[str, str]]:
    """Returns (input, target) texts for one query, in order."""
    groups, texts = self._by_template.get(template, (np.zeros(0, int), []))
    keys = exemplar_keys([row_id.decode()], seed)
    chosen = choose(groups, np.array([group]), keys, self._shots)[0]
    return [texts[i] for i in chosen if i >= 0]


def add_exemplars(
  examples: tf.data.Dataset,
  pool: ExemplarPool,
  vocabulary: Vocabulary,
  sequence_length: Mapping[str, int] | None = None,
) -> tf.data.Dataset:
  """Puts exemplars before the tokenized inputs of zero-shot examples.

  End tokens separate inputs, targets and exemplars. `inputs_pretokenized` is
  the whole prompt, with line breaks instead, and `QUERY` the query alone.

  Args:
    examples: From `tokenize_rows`.
    pool: Where exemplars come from.
    vocabulary: Tokenizes them.
    sequence_length: SeqIO's lengths.
  """
  lengths = {**DEFAULT_LENGTHS, **(sequence_length or {})}
  end = vocabulary.eos_id

  @functools.lru_cache(maxsize=65_536)
  def encode(pair: tuple[str, str]) -> tuple[int, ...]:
    inputs, targets = map(vocabulary.encode, pair)
    return (*inputs, end, *targets[: lengths['targets']], end)

  def prompt(template, row_id, group, seed, query, text):
    tokens, shown, room = [], [], most_tokens(lengths) - len(query)
    for pair in pool.exemplars(int(template), row_id, int(group), int(seed)):
      ids = encode(pair)
      if len(ids) > room:
        break
      tokens += ids
      shown += (pair[0], AFTER_INPUT, pair[1], AFTER_TARGET)
      room -= len(ids)
    whole = ''.join(shown).encode() + text
    return np.array([*tokens, *query], np.int32), whole

  def add(example):
    text = example['inputs_pretokenized']
    keys = ('template', 'id', 'group', 'seed', 'inputs')
    about = [*(example[key] for key in keys), text]
    inputs, whole = tf.numpy_function(prompt, about, (tf.int32, tf.string))
    return {
      **example,
      'inputs': tf.ensure_shape(inputs, [None]),
      'inputs_pretokenized': tf.ensure_shape(whole, []),
      QUERY: text,
    }

  return examples.map(add)


def _one_example_per_option(
  examples: tf.data.Dataset, output_features, sequence_length
) -> tf.data.Dataset:
  """Expands each example to one per option, for rank classification."""
  feature = output_features['targets']
  limit = (sequence_length or DEFAULT_LENGTHS)['targets']
  end = tf.constant([feature.vocabulary.eos_id])

  def split(example):
    count = tf.size(example['options'], tf.int64)

    def option(index):
      text = example['options'][index]
      ids = tf.concat([feature.vocabulary.encode_tf(text), end], axis=0)
      return {
        **example,
        'targets': ids[:limit],
        'targets_pretokenized': text,
        'option': tf.cast(index, tf.int32),
        'is_correct': example['correct'][index],
      }

    return tf.data.Dataset.range(count).map(option)

  return examples.flat_map(split)
