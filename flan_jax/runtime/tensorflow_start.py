"""Starts TensorFlow without the notices that it prints."""

from collections.abc import Iterator
import contextlib
import gc
import os
import sys


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
  """Drops what TensorFlow prints while it is imported in this context.

  Its libraries write to standard error whatever the log level is.
  """
  # TensorFlow only reads rows here; the devices belong to JAX.
  os.environ['CUDA_VISIBLE_DEVICES'] = '-1'
  sys.stderr.flush()
  kept, null = os.dup(2), os.open(os.devnull, os.O_WRONLY)
  os.dup2(null, 2)
  try:
    yield
  finally:
    os.dup2(kept, 2)
    os.close(kept)
    os.close(null)


def start_tensorflow() -> None:
  """Imports TensorFlow and TFDS without their notices."""
  with quiet_start():
    import tensorflow as tf
    import tensorflow_datasets  # noqa: F401

    tf.constant(0)  # Makes it look for devices, which it reports.


def skip_graph_optimization() -> None:
  """Turns off TensorFlow's graph optimizer for the rest of the process.

  On many small splits, optimizing the graphs takes longer than running them.
  """
  import tensorflow as tf

  tf.config.optimizer.set_experimental_options({'disable_meta_optimizer': True})
  # Tracing makes many objects; the garbage collector skips those there by now.
  gc.freeze()
