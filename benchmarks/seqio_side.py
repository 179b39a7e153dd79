"""SeqIO's ways: rows rendered while reading, and tasks that it has cached."""

from collections.abc import Iterator
import dataclasses
import importlib.util

import numpy as np
import seqio
import tensorflow as tf

from benchmarks.measuring import Batch
from flan_jax.batches.loader import PackingConfig
from flan_jax.cache.cached_split import CacheConfig
from flan_jax.rendering import seqio_tasks
from flan_jax.vocabulary.base import Vocabulary

# The arrays of SeqIO's converter under the names of the comparison.
_NAMES = {
  'tokens': 'decoder_input_tokens',
  'segments': 'decoder_segment_ids',
  'positions': 'decoder_positions',
  'labels': 'decoder_target_tokens',
  'loss_mask': 'decoder_loss_weights',
}

# SeqIO's own packing operations, in C++. The published package lacks them: they
# have to be built from its source, for TensorFlow 1.
_CUSTOM_OPS = 'tensor2tensor.data_generators.ops.pack_sequences_ops'


@dataclasses.dataclass(frozen=True)
class SeqioSide:
  """Reads a mixture as T5X does, with the options that proved fastest.

  Attributes:
    mixture: Its name.
    config: The same lengths and TFDS directory as the other side's.
    vocabulary: The same.
    packing: The same rows.
    seed: Of shuffling and mixing.
  """

  mixture: str
  config: CacheConfig
  vocabulary: Vocabulary
  packing: PackingConfig
  seed: int

  def online(self) -> Iterator[Batch]:
    """Yields batches, each row rendered when it is read."""
    task = seqio_tasks.get_mixture_or_task(
      self.mixture, self.vocabulary.path, self.config.data_dir
    )
    return self._batches(task, use_cached=False)

  def cached(self, renderings: str) -> Iterator[Batch]:
    """Yields batches from tasks that `seqio_cache` cached."""
    return self._batches(
      seqio.get_mixture_or_task(cached_name(self.mixture, renderings)),
      use_cached=True,
    )

  def _batches(self, provider, use_cached: bool) -> Iterator[Batch]:
    lengths = dict(self.config.lengths)
    examples = provider.get_dataset(
      sequence_length=lengths,
      split='train',
      use_cached=use_cached,
      shuffle=True,
      seed=self.seed,
      num_epochs=None,
    )
    converter = seqio.DecoderFeatureConverter(
      pack=True,
      use_custom_packing_ops=has_custom_ops(),
      # Lengths are right: checking them only takes time.
      apply_length_check=False,
    )
    # A converter packs into rows of the sum of its lengths.
    inputs = self.packing.pack_length - lengths['targets']
    packed = converter(examples, {**lengths, 'inputs': inputs})
    batches = (
      packed.map(
        lambda row: {name: row[key] for name, key in _NAMES.items()},
        num_parallel_calls=tf.data.AUTOTUNE,
      )
      .batch(self.packing.batch_rows, drop_remainder=True)
      .prefetch(tf.data.AUTOTUNE)
    )
    options = tf.data.Options()
    # Of the options tried these two did not slow it, and helped online.
    options.deterministic = False
    options.threading.max_intra_op_parallelism = 1
    return batches.with_options(options).as_numpy_iterator()


def cached_name(name: str, renderings: str) -> str:
  """Returns the name of the task or mixture that is cached."""
  return f'{name}_cached_{renderings}'


def has_custom_ops() -> bool:
  """Whether SeqIO's faster packing can be had."""
  try:
    return importlib.util.find_spec(_CUSTOM_OPS) is not None
  except ImportError:  # The package above it is missing.
    return False


def sequence(tokens: np.ndarray, labels: np.ndarray) -> np.ndarray:
  """Returns a whole sequence: every token is a label."""
  del tokens
  return labels
