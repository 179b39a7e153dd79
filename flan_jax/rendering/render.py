"""Rows to prompts to tokens, as transformations of a `tf.data.Dataset`."""

from collections.abc import Callable, Mapping
import functools
from typing import Any

import tensorflow as tf

from flan_jax.definitions.dataset import Dataset
from flan_jax.rendering.lengths import DEFAULT_LENGTHS
from flan_jax.rendering.source import plain_tensorflow
from flan_jax.rendering.templates import (
  admissible,
  compile_templates,
  join_pieces,
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
  count = len(part.templates)
  chosen = range(count) if templates is None else templates
  chosen = tf.constant([k in chosen for k in range(count)])
  most = tf.constant(count if renderings is None else renderings)
  return _rendering(part, every)(rows, chosen, most)


@functools.cache
def _rendering(part: Dataset, every: bool) -> Callable[..., tf.data.Dataset]:
  """Returns what renders rows; traced once for all splits of a part."""
  table = compile_templates(part)

  @plain_tensorflow
  def pick(row, chosen, most):
    order = template_order(part, row, chosen, with_seed=not every)
    return {
      **row,
      'pool': table.pool(row),
      'template': order[:most] if every else order[:1],
    }

  @plain_tensorflow
  def spread(row):
    template = tf.data.Dataset.from_tensor_slices(row['template'])
    return template.map(plain_tensorflow(lambda k: {**row, 'template': k}))

  @tf.function(autograph=False)
  def render(rows, chosen, most):
    return rows.map(
      plain_tensorflow(lambda row: pick(row, chosen, most)),
      num_parallel_calls=tf.data.AUTOTUNE,
    ).flat_map(spread)

  return render


def template_order(
  part: Dataset, row: Any, chosen: Any = True, with_seed: bool = False
) -> Any:
  """Returns the templates that a row may be rendered under, in order.

  Inverted templates are only used for training rows.

  Args:
    part: The resolved part, with the templates to use.
    row: A row from `SplitSource`.
    chosen: Which templates to choose from, bool [templates].
    with_seed: Whether the seed and the row id, and not the row id alone,
      decide which template comes first.

  Returns:
    Indices, int32 [admissible templates].
  """
  ordinary = tf.constant([not t.inverted for t in part.templates])
  allowed = admissible(part, row) & chosen & (ordinary | row['trains'])
  allowed = tf.boolean_mask(tf.range(len(part.templates)), allowed)
  count = tf.size(allowed)
  key = row['id']
  if with_seed:
    key = tf.strings.join([tf.strings.as_string(row['seed']), key], ':')
  start = pick_value(key) % tf.cast(tf.maximum(count, 1), tf.int64)
  order = (tf.cast(start, tf.int32) + tf.range(count)) % tf.maximum(count, 1)
  return tf.gather(allowed, order)


def pick_value(key: Any) -> Any:
  """Returns the number, int64, that picks the first template of a row."""
  return tf.strings.to_hash_bucket_fast(key, _PICK_BUCKETS)


def fit_rows(
  rows: tf.data.Dataset,
  part: Dataset,
  vocabulary: Vocabulary,
  most: tuple[int, int],
  kept: tuple[str, ...],
) -> tf.data.Dataset:
  """Tokenizes rendered rows, each within its lengths.

  A long prompt loses tokens only from the end of its truncatable field, so
  that the instruction, the question and the options survive.

  Args:
    rows: From `render_rows`.
    part: The part they were rendered with.
    vocabulary: Tokenizes them.
    most: Most tokens of the input, without the separator, and of the target,
      including its end token.
    kept: What an example keeps of its row.

  Returns:
    Examples with `inputs` and `targets` (ids, no end tokens), their texts as
    `inputs_pretokenized` and `targets_pretokenized`, and what was cut:
    `inputs_cut` is 1 if the truncatable field was shortened, and 2 if the
    prompt still did not fit and lost its end. `targets_cut` is true if the
    target lost its end.
  """
  return _fitting(part, vocabulary, most, kept)(rows)


@functools.cache
def _fitting(
  part: Dataset,
  vocabulary: Vocabulary,
  most: tuple[int, int],
  kept: tuple[str, ...],
) -> Callable[..., tf.data.Dataset]:
  """Returns what tokenizes rows; traced once for all splits of a part."""
  table = compile_templates(part)
  fit = fit_function(vocabulary, *most)

  @plain_tensorflow
  def fit_one(row):
    sides = tf.gather(table.indices, row['template'])
    position = tf.gather(table.truncatable, row['template'])
    fitted = fit(row['pool'], sides, position)
    return {**{name: row[name] for name in kept}, **fitted}

  @tf.function(autograph=False)
  def fit_all(rows):
    return rows.map(fit_one, num_parallel_calls=tf.data.AUTOTUNE)

  return fit_all


@functools.cache
def fit_function(
  vocabulary: Vocabulary, max_inputs: int, max_targets: int
) -> Callable[..., Any]:
  """Returns what tokenizes one rendering; traced once for all parts.

  Args:
    vocabulary: Tokenizes it.
    max_inputs: Most tokens of the input, without the separator.
    max_targets: Most tokens of the target, including its end token.

  Returns:
    A function of the pool of a row, of the two rows of `indices` and of the
    entry of `truncatable` that a `TemplateTable` has for the template. It
    returns what `fit_rows` adds to a row.
  """
  tokenizer = as_seqio(vocabulary)

  def shorten(pool, sides, position, prompt, ids):
    shown = position >= 0
    position = tf.maximum(position, 0)
    truncatable = tokenizer.encode_tf(pool[position])

    def too_long(keep, _, ids):
      return shown & (tf.size(ids) > max_inputs) & (keep > 0)

    def drop(keep, _, ids):
      keep = tf.maximum(keep - (tf.size(ids) - max_inputs), 0)
      text = tokenizer.decode_tf(truncatable[:keep])
      # A cut between the bytes of a character leaves half of it.
      text = tf.strings.regex_replace(text, '\N{REPLACEMENT CHARACTER}+$', '')
      shortened = tf.tensor_scatter_nd_update(pool, [[position]], [text])
      prompt = join_pieces(shortened, sides[0])
      return keep, prompt, tokenizer.encode_tf(prompt)

    _, prompt, ids = tf.while_loop(
      too_long,
      drop,
      (tf.size(truncatable), prompt, ids),
      shape_invariants=tuple(map(tf.TensorShape, ([], [], [None]))),
    )
    return prompt, ids, tf.where(tf.size(ids) > max_inputs, 2, 1)

  @tf.function(
    autograph=False,
    input_signature=[
      tf.TensorSpec([None], tf.string),
      tf.TensorSpec([2, None], tf.int32),
      tf.TensorSpec([], tf.int32),
    ],
  )
  def fit(pool, sides, position):
    rendered = join_pieces(pool, sides)
    ids = tokenizer.encode_tf(rendered[0])
    prompt, ids, cut = tf.cond(
      tf.size(ids) > max_inputs,
      lambda: shorten(pool, sides, position, rendered[0], ids),
      lambda: (rendered[0], ids, tf.constant(0)),
    )
    targets = tokenizer.encode_tf(rendered[1])
    return {
      'inputs': ids[:max_inputs],
      'targets': targets[:max_targets],
      'inputs_pretokenized': prompt,
      'targets_pretokenized': rendered[1],
      'inputs_cut': cut,
      'targets_cut': tf.size(targets) >= max_targets,
    }

  return fit


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
  most = lengths['inputs'] - 1, lengths['targets']
  end = tf.constant([vocabulary.eos_id])

  def add_ends(example):
    no_target_end = tf.cast(example['targets_cut'], tf.int32)
    return {
      **example,
      'inputs': tf.concat([example['inputs'], end], axis=0),
      'targets': tf.concat([example['targets'], end[no_target_end:]], axis=0),
    }

  return fit_rows(rows, part, vocabulary, most, _KEPT).map(add_ends)
