"""Exemplars for SeqIO tasks, from the pool that the cache's view draws from."""

from collections.abc import Mapping
import functools

import numpy as np
import tensorflow as tf

from flan_jax.batches.few_shot import choose, most_tokens
from flan_jax.cache.cached_split import DEFAULT_LENGTHS, renderings_of
from flan_jax.definitions import names
from flan_jax.rendering.seqio_tasks import render_rows
from flan_jax.rendering.source import SplitSource
from flan_jax.rendering.templates import compile_templates
from flan_jax.vocabulary.base import Vocabulary


class ExemplarPool:
  """Training rows of a part as rendered text, by template; read when used."""

  def __init__(self, source: SplitSource, task: names.TaskName):
    self._source = source
    self._shots = task.shots
    self._task = names.TaskName(
      task.part.name, task.dataset, task.part, every=True, format=task.format
    )
    self._table = compile_templates(task.part)

  @functools.cached_property
  def _by_template(self) -> dict[int, tuple[np.ndarray, list]]:
    """Template -> (groups, (input, target) texts), in the cache's order."""
    rows = self._source.get_dataset('train', shuffle=False)
    count = renderings_of(self._source.num_input_examples('train'))

    def text(row):
      pair = self._table.render(row['pool'], row['template'])
      return row['template'], row['group'], pair

    rendered = render_rows(rows, self._task, renderings=count).map(text)
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
    chosen = choose(
      groups, np.array([group]), [row_id.decode()], self._shots, seed
    )[0]
    return [texts[i] for i in chosen if i >= 0]


def add_exemplars(
  examples: tf.data.Dataset,
  pool: ExemplarPool,
  vocabulary: Vocabulary,
  sequence_length: Mapping[str, int] | None = None,
) -> tf.data.Dataset:
  """Puts exemplars before the tokenized inputs of zero-shot examples.

  The form is that of `few_shot`, with end tokens as separators.

  Args:
    examples: From `expand.tokenize_rows`.
    pool: Where exemplars come from.
    vocabulary: Tokenizes them.
    sequence_length: SeqIO's lengths of `inputs` and `targets`.
  """
  lengths = {**DEFAULT_LENGTHS, **(sequence_length or {})}
  end = vocabulary.eos_id

  @functools.lru_cache(maxsize=65_536)
  def encode(pair: tuple[str, str]) -> tuple[int, ...]:
    inputs, targets = map(vocabulary.encode, pair)
    return (*inputs, end, *targets[: lengths['targets']], end)

  def prompt(template, row_id, group, seed, query):
    pieces, room = [], most_tokens(lengths) - len(query)
    for pair in pool.exemplars(int(template), row_id, int(group), int(seed)):
      ids = encode(pair)
      if len(ids) > room:
        break
      pieces += ids
      room -= len(ids)
    return np.array([*pieces, *query], np.int32)

  def add(example):
    about = [example[k] for k in ('template', 'id', 'group', 'seed', 'inputs')]
    inputs = tf.numpy_function(prompt, about, tf.int32)
    return {**example, 'inputs': tf.ensure_shape(inputs, [None])}

  return examples.map(add)
