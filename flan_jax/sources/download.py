"""Downloads one dataset through TFDS."""

import textwrap

from flan_jax.errors import UserError
from flan_jax.runtime.tensorflow_start import start_tensorflow


class MissingFilesError(UserError):
  """TFDS needs files that have to be downloaded manually."""


class DownloadError(UserError):
  """TFDS cannot prepare a dataset; gives the reason in short."""


def download(source: str, data_dir: str | None, manual: bool) -> None:
  """Has TFDS download and prepare a dataset.

  Args:
    source: TFDS name with version.
    data_dir: TFDS data directory; None for TFDS's own default.
    manual: Whether the dataset needs files that TFDS does not download.

  Raises:
    MissingFilesError: these files are not there.
    DownloadError: anything else went wrong.
  """
  start_tensorflow()
  import tensorflow as tf
  import tensorflow_datasets as tfds

  try:
    tfds.builder(source, data_dir=data_dir).download_and_prepare()
  except tfds.core.registered.DatasetNotFoundError as error:
    raise DownloadError(
      'TFDS has no such dataset; bring rows with `flan-jax import-data`'
    ) from error
  except Exception as error:  # TFDS and its builders raise anything.
    # Most builders assert that the files exist; some just read them.
    kinds = (AssertionError, FileNotFoundError, tf.errors.NotFoundError)
    if manual and isinstance(error, kinds):
      raise MissingFilesError from error
    raise DownloadError(
      short_reason(f'{type(error).__name__}: {error}')
    ) from error


def manual_instructions(source: str) -> str:
  """Returns what TFDS says about files to download manually, in short."""
  start_tensorflow()
  import tensorflow_datasets as tfds

  try:
    builder = tfds.builder_cls(source.partition(':')[0].split('/')[0])
  except tfds.core.registered.DatasetNotFoundError:
    return ''
  return short_reason(builder.MANUAL_DOWNLOAD_INSTRUCTIONS or '')


def short_reason(text: str) -> str:
  """Returns a text of others in one line of up to 400 characters."""
  return textwrap.shorten(text, 400, placeholder=' …')
