"""Rows to prompts to tokens, as transformations of a `tf.data.Dataset`."""

from collections.abc import Mapping
import dataclasses

import seqio
import tensorflow as tf

from flan_jax.definitions.dataset import Dataset
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.rendering.source import plain_tensorflow
from flan_jax.rendering.templates import (
  TemplateTable,
  admissible,
  compile_templates,
)
from flan_jax.vocabulary.base import Vocabulary
from flan_jax.vocabulary.seqio import as_seqio

_PICK_BUCKETS = 2**31 - 1

# What an example keeps of its row, in addition to the tokens.
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


def render_rows(
  rows: tf.data.Dataset,
  part: Dataset,
  templates: tuple[int, ...] | None = None,
  every: bool = False,
  renderings: int | None = None,
) -> tf.data.Dataset:
  """Renders each row under one template, or under several.

  Inverted templates are only used for training rows.

  Args:
    rows: From `SplitSource`.
    part: The resolved part, with the templates to use.
    templates: Indices of the templates to choose from; None for all.
    every: Renders each row under every admissible template. Otherwise
      (seed, row id) picks one.
    renderings: With `every`, the most renderings of a row. They start at a
      template that the row id picks, so that they spread evenly.

  Returns:
    Rows with `pool` (strings) and `template` (int32).
  """
  table = compile_templates(part)
  chosen = range(table.num_templates) if templates is None else templates
  chosen = tf.constant([k in chosen for k in range(table.num_templates)])
  ordinary = tf.constant([not t.inverted for t in part.templates])

  @plain_tensorflow
  def pick(row):
    allowed = admissible(part, row) & chosen & (ordinary | row['trains'])
    allowed = tf.boolean_mask(tf.range(table.num_templates), allowed)
    count = tf.size(allowed)
    start = _pick(row, count, with_seed=not every)
    order = (start + tf.range(count)) % tf.maximum(count, 1)
    order = order[:renderings] if every else order[:1]
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
  """Returns a number below `count` that depends on the row id (and seed)."""
  key = row['id']
  if with_seed:
    key = tf.strings.join([tf.strings.as_string(row['seed']), key], ':')
  value = tf.strings.to_hash_bucket_fast(key, _PICK_BUCKETS)
  return tf.cast(value % tf.cast(tf.maximum(count, 1), tf.int64), tf.int32)


@dataclasses.dataclass(frozen=True)
class Fitter:
  """Renders and tokenizes one row within its lengths.

  A long prompt loses tokens only from the end of its truncatable field, so
  that the instruction, the question and the options survive.

  Attributes:
    table: The compiled templates.
    vocabulary: SeqIO's form of the vocabulary.
    inputs: Most tokens of the input, without the separator.
    targets: Most tokens of the target, including its end token.
  """

  table: TemplateTable
  vocabulary: seqio.Vocabulary
  inputs: int
  targets: int

  @plain_tensorflow
  def __call__(self, row):
    """Returns `inputs` and `targets` (ids, no end tokens) and what was cut.

    `inputs_cut` is 1 if the truncatable field was shortened, and 2 if the
    prompt still did not fit and lost its end. `targets_cut` is true if the
    target lost its end.
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
      # A cut between the bytes of a character leaves half of it.
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
  part: Dataset,
  vocabulary: Vocabulary,
  sequence_length: Mapping[str, int] | None = None,
) -> tf.data.Dataset:
  """Tokenizes rendered rows for SeqIO, within its lengths.

  The input ends in the end token, which separates it from the target. So does
  the target, unless it was cut.
  """
  lengths = {**DEFAULT_LENGTHS, **(sequence_length or {})}
  fit = Fitter(
    table=compile_templates(part),
    vocabulary=as_seqio(vocabulary),
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
