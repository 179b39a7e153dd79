"""What both sides cache, and a digest of what they have cached."""

from collections.abc import Iterable, Mapping
import hashlib
import pathlib
from typing import Any

from benchmarks.data_pipeline import corpus
from benchmarks.data_pipeline.own import Task
from flan_jax.batches.loader import PackingConfig
from flan_jax.cache.framing import CacheConfig
from flan_jax.definitions import registry
from flan_jax.runtime.tensorflow_start import start_tensorflow
from flan_jax.vocabulary.load import MINI, load_vocabulary

LENGTHS = {'inputs': 1024, 'targets': 256}


def open_task(settings: Mapping[str, Any], folder: pathlib.Path) -> Task:
  """Registers the generated corpus, see `data_pipeline`, making it if missing.

  Args:
    settings: `work_dir`, `datasets`, `rows` and `seed`.
    folder: Where a side puts its caches.
  """
  start_tensorflow()
  registry.load()
  data_dir = corpus.make_corpus(
    pathlib.Path(settings['work_dir']),
    settings['datasets'],
    settings['rows'],
    settings['seed'],
  )
  return Task(
    mixture=corpus.MIXTURE,
    config=CacheConfig(str(folder), data_dir, lengths=LENGTHS),
    vocabulary=load_vocabulary(MINI),
    packing=PackingConfig(),
    seed=0,
    folder=folder,
  )


def described(sequences: Iterable[bytes]) -> dict[str, Any]:
  """Returns the number of sequences, and a digest of them in any order."""
  found = sorted(sequences)
  digest = hashlib.sha256()
  for sequence in found:
    digest.update(hashlib.sha256(sequence).digest())
  return {'renderings': len(found), 'digest': digest.hexdigest()}
