"""Expands declared datasets to SeqIO tasks and mixtures, on first use."""

from collections.abc import Mapping
import dataclasses
import functools

import seqio
import tensorflow as tf

from flan_jax.cache.cached_split import DEFAULT_LENGTHS
from flan_jax.definitions import names, registry
from flan_jax.definitions.dataset import in_format
from flan_jax.definitions.mixture_plan import MIXING_CAP
from flan_jax.rendering import seqio_metrics
from flan_jax.rendering.source import SplitSource, plain_tensorflow
from flan_jax.rendering.templates import (
  TemplateTable,
  admissible,
  compile_templates,
)
from flan_jax.vocabulary.base import MINI, Vocabulary, load_vocabulary

_PICK_BUCKETS = 2**31 - 1

_process: dict[str, tuple[str, str | None]] = {}


def get_mixture_or_task(
  name: str, vocabulary: str = MINI, data_dir: str | None = None
):
  """Returns a SeqIO task or mixture, registered on first use.

  Args:
    name: `rte`, `rte.t3`, `anli:anli_r1.t0.rank`, `rte.all`,
      `flan_holdout_nli`, or anything registered with SeqIO already.
    vocabulary: 'mini' or the path of a SentencePiece model; one a process.
    data_dir: TFDS data directory; one a process, None for TFDS's default.

  Returns:
    A `seqio.Task` or `seqio.Mixture`, also in SeqIO's registries.

  Raises:
    UnknownNameError: unknown name, with the three nearest.
    ValueError: another vocabulary or data directory is in use.
  """
  registry.load()
  chosen = _process.setdefault('chosen', (vocabulary, data_dir))
  if chosen != (vocabulary, data_dir):
    raise ValueError(
      f'SeqIO tasks of this process use (vocabulary, data_dir) {chosen}; '
      f'{(vocabulary, data_dir)} needs a process of its own'
    )
  if (
    name in seqio.MixtureRegistry.names() or name in seqio.TaskRegistry.names()
  ):
    return seqio.get_mixture_or_task(name)
  members = names.members(name)
  if len(members) == 1 and names.find_mixture(name) is None:
    return _register_task(name, load_vocabulary(vocabulary), data_dir)
  trains = all(registry.find_part(m.part)[1].trains for m in members)
  tasks = []
  for member in members:
    suffixes = _suffixes(member)
    if member.shots and registry.exemplar_part(member.part) is None:
      continue  # No training rows, no exemplars: it has no few-shot.
    rate = functools.partial(_mixing_rate, shares=len(suffixes))
    for suffix in suffixes:
      task = member.part + suffix
      get_mixture_or_task(task, vocabulary, data_dir)
      tasks.append((task, rate if trains else 1.0))
  return seqio.MixtureRegistry.add(name, tasks)


def _suffixes(member: registry.Member) -> list[str]:
  suffix = names.member_suffix(member)
  if member.templates is None:
    return [suffix]
  return [f'.t{k}{suffix}' for k in member.templates]


def _mixing_rate(task: seqio.Task, shares: int) -> float:
  """Examples-proportional mixing with a maximum, as in FLAN (section 2.1).

  A part that is mixed in template by template divides its rate over them.
  """
  return min(task.num_input_examples('train'), MIXING_CAP) / shares


def _register_task(
  name: str, vocabulary: Vocabulary, data_dir: str | None
) -> seqio.Task:
  task = names.parse_task(name)
  source = SplitSource(task.part, task.dataset.resolve_parts(), data_dir)
  feature = seqio.Feature(vocabulary.as_seqio(), add_eos=True)
  return seqio.TaskRegistry.add(
    name,
    source=source,
    preprocessors=[
      functools.partial(render_rows, task=task),
      functools.partial(tokenize_rows, task=task, vocabulary=vocabulary),
      *(_exemplars(task, vocabulary, data_dir) if task.shots else []),
      *([_one_example_an_option] if task.rank else []),
    ],
    output_features={'inputs': feature, 'targets': feature},
    postprocess_fn=seqio_metrics.postprocess(task.rank),
    metric_fns=seqio_metrics.metric_fns(task.rank),
  )


def _exemplars(task, vocabulary, data_dir):
  from flan_jax.rendering.few_shot_tasks import ExemplarPool, add_exemplars

  part = in_format(registry.exemplar_part(task.part.name), task.format)
  source = SplitSource(part, task.dataset.resolve_parts(), data_dir)
  pool = ExemplarPool(source, task)
  return [functools.partial(add_exemplars, pool=pool, vocabulary=vocabulary)]


def render_rows(
  rows: tf.data.Dataset,
  task: names.TaskName,
  renderings: int | None = None,
  templates: tuple[int, ...] | None = None,
) -> tf.data.Dataset:
  """Renders each row under one template, or under several.

  Inverted templates are for rows that train: they are never evaluated.

  Args:
    rows: From `SplitSource`.
    task: Says which: `.tK` template K, `.all` every admissible one, otherwise
      one picked by (seed, row id).
    renderings: With `.all`, at most so many a row, starting at a template that
      the row's id picks, so that they spread evenly.
    templates: The templates to choose from; None for all.

  Returns:
    Rows with `pool` (strings) and `template` (int32).
  """
  part, table = task.part, compile_templates(task.part)
  chosen = range(table.num_templates) if templates is None else templates
  chosen = tf.constant([k in chosen for k in range(table.num_templates)])
  ordinary = tf.constant([not t.inverted for t in part.templates])

  @plain_tensorflow
  def pick(row):
    allowed = admissible(part, row) & chosen
    allowed &= ordinary | (row['trains'] & (not task.rank))
    allowed = tf.boolean_mask(tf.range(table.num_templates), allowed)
    if task.template is not None:
      allowed = tf.boolean_mask(allowed, allowed == task.template)
    count = tf.size(allowed)
    start = _pick(row, count, with_seed=not task.every)
    order = (start + tf.range(count)) % tf.maximum(count, 1)
    order = order if task.every else order[:1]
    order = order[:renderings] if renderings is not None else order
    return {
      **row,
      'pool': table.pool(row),
      'template': tf.gather(allowed, order),
    }

  @plain_tensorflow
  def spread(row):
    template = tf.data.Dataset.from_tensor_slices(row['template'])
    return template.map(plain_tensorflow(lambda k: {**row, 'template': k}))

  return rows.map(pick, num_parallel_calls=tf.data.AUTOTUNE).flat_map(spread)


def _pick(row, count, with_seed: bool):
  """Returns a number below `count` that depends on the row's id (and seed)."""
  key = row['id']
  if with_seed:
    key = tf.strings.join([tf.strings.as_string(row['seed']), key], ':')
  value = tf.strings.to_hash_bucket_fast(key, _PICK_BUCKETS)
  return tf.cast(value % tf.cast(tf.maximum(count, 1), tf.int64), tf.int32)


@dataclasses.dataclass(frozen=True)
class Fitter:
  """Renders and tokenizes one row within its lengths.

  A long prompt loses tokens from the end of its truncatable only, so that
  instruction, question and options survive.

  Attributes:
    table: The compiled templates.
    vocabulary: SeqIO's form of the vocabulary.
    inputs: Most tokens of the input, without what ends it.
    targets: Most tokens of the target, with its end token.
  """

  table: TemplateTable
  vocabulary: seqio.Vocabulary
  inputs: int
  targets: int

  @plain_tensorflow
  def __call__(self, row):
    """Returns `inputs`, `targets` (ids without end tokens) and what was cut.

    `inputs_cut` is 1 where the truncatable was shortened and 2 where even that
    did not make the prompt fit, so that its end is missing; `targets_cut`
    tells that a target lost its end.
    """
    rendered = self.table.render(row['pool'], row['template'])
    ids = self.vocabulary.encode_tf(rendered[0])
    prompt, ids, cut = tf.cond(
      tf.size(ids) > self.inputs,
      lambda: self._shorten(row, rendered[0], ids),
      lambda: (rendered[0], ids, tf.constant(0)),
    )
    targets = self.vocabulary.encode_tf(rendered[1])
    targets_cut = tf.size(targets) >= self.targets
    return {
      'inputs': ids[: self.inputs],
      'targets': targets[: self.targets],
      'inputs_pretokenized': prompt,
      'targets_pretokenized': rendered[1],
      'inputs_cut': cut,
      'targets_cut': targets_cut,
    }

  def _shorten(self, row, prompt, ids):
    position = tf.gather(self.table.truncatable, row['template'])
    shown = position >= 0
    truncatable = self.vocabulary.encode_tf(
      row['pool'][tf.maximum(position, 0)]
    )

    def too_long(keep, _, ids):
      return shown & (tf.size(ids) > self.inputs) & (keep > 0)

    def drop(keep, _, ids):
      keep = tf.maximum(keep - (tf.size(ids) - self.inputs), 0)
      text = self.vocabulary.decode_tf(truncatable[:keep])
      # Half a character, where a cut fell between the bytes of one.
      text = tf.strings.regex_replace(text, '\N{REPLACEMENT CHARACTER}+$', '')
      pool = self.table.with_truncatable(row['pool'], row['template'], text)
      prompt = self.table.render(pool, row['template'])[0]
      return keep, prompt, self.vocabulary.encode_tf(prompt)

    _, prompt, ids = tf.while_loop(
      too_long,
      drop,
      (tf.size(truncatable), prompt, ids),
      shape_invariants=(
        tf.TensorShape([]),
        tf.TensorShape([]),
        tf.TensorShape([None]),
      ),
    )
    return prompt, ids, tf.where(tf.size(ids) > self.inputs, 2, 1)


def tokenize_rows(
  rows: tf.data.Dataset,
  task: names.TaskName,
  vocabulary: Vocabulary,
  sequence_length: Mapping[str, int] | None = None,
) -> tf.data.Dataset:
  """Tokenizes rendered rows for SeqIO: end tokens on, lengths kept.

  The input ends in the end token, which separates it from the target; a
  target that was cut carries none.
  """
  lengths = {**DEFAULT_LENGTHS, **(sequence_length or {})}
  fit = Fitter(
    table=compile_templates(task.part),
    vocabulary=vocabulary.as_seqio(),
    inputs=lengths['inputs'] - 1,
    targets=lengths['targets'],
  )
  end = tf.constant([vocabulary.eos_id])

  def tokenize(row):
    fitted = fit(row)
    kept = {k: v for k, v in row.items() if k in _KEPT}
    targets = fitted['targets']
    targets = tf.cond(
      fitted['targets_cut'],
      lambda: targets,
      lambda: tf.concat([targets, end], axis=0),
    )
    inputs = tf.concat([fitted['inputs'], end], axis=0)
    return {**kept, **fitted, 'inputs': inputs, 'targets': targets}

  return rows.map(tokenize, num_parallel_calls=tf.data.AUTOTUNE)


# What an example keeps of its row beside the tokens.
_KEPT = (
  'id',
  'group',
  'seed',
  'template',
  'options',
  'correct',
  'answers',
  'class',
)


def _one_example_an_option(
  examples: tf.data.Dataset, output_features, sequence_length
) -> tf.data.Dataset:
  """Expands each example to one an option, for rank classification."""
  feature = output_features['targets']
  limit = (sequence_length or DEFAULT_LENGTHS)['targets']
  end = tf.constant([feature.vocabulary.eos_id])

  def split(example):
    count = tf.size(example['options'])
    number = tf.data.Dataset.range(tf.cast(count, tf.int64))

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

    return number.map(option)

  return examples.flat_map(split)
