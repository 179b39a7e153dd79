"""Registers every task and mixture with SeqIO, for SeqIO's scripts.

For example: `seqio_cache_tasks --module_import=flan_jax.tasks.register_all`.
The environment variables FLAN_JAX_VOCABULARY and FLAN_JAX_DATA_DIR set the
vocabulary and the TFDS directory.
"""

import os

from flan_jax.definitions import registry
from flan_jax.rendering.seqio_tasks import get_mixture_or_task
from flan_jax.vocabulary.load import MINI

registry.load()
for _name in (*registry.parts(), *(m.name for m in registry.mixtures())):
  get_mixture_or_task(
    _name,
    vocabulary=os.environ.get('FLAN_JAX_VOCABULARY', MINI),
    data_dir=os.environ.get('FLAN_JAX_DATA_DIR'),
  )
